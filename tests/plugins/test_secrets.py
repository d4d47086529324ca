"""What is hidden in a message, and what is not."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.plugins.blame import blame, briefly, explained, message_of, refuse, why
from grao_ref.plugins.secrets import redacted
from grao_ref.settings.config import Config

ROOT = Path(__file__).parents[2]
KEY = "sk+abc/def=ghi-0123456789"


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in [name for name in os.environ if re.search("(KEY|TOKEN|SECRET|PASSWORD)$", name, re.IGNORECASE)]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN", "my_secret", "PGPASSWORD", "WANDB_API_KEY"])
def test_a_value_of_the_environment_is_hidden_in_each_of_its_forms(name, monkeypatch):
    monkeypatch.setenv(name, KEY)
    for form in (KEY, KEY.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")):
        assert redacted(f"a {form}, b{form}b") == "a …, b…b"
    assert redacted(f"a {KEY[:-1]}") == f"a {KEY[:-1]}"


def test_what_is_too_short_or_no_secret_stays(monkeypatch):
    monkeypatch.setenv("SHORT_KEY", "abcdefg")
    monkeypatch.setenv("KEYBOARD", "a-long-enough-word")
    monkeypatch.setenv("EMPTY_TOKEN", "")
    text = "abcdefg a-long-enough-word"
    assert redacted(text) == text


def test_a_secret_that_another_begins_with_leaves_no_rest(monkeypatch):
    monkeypatch.setenv("A_KEY", "abcdefgh")
    monkeypatch.setenv("B_KEY", "abcdefgh-and-more")
    assert redacted("abcdefgh-and-more abcdefgh") == "… …"


def test_the_password_of_a_url_in_the_environment_is_hidden_alone_too(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://alice:open%2Fsesame@host/v1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://tokentoken1@host/simple")
    assert redacted("open/sesame, open%2Fsesame, tokentoken1") == "…, …, …"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://alice:secret@host:80/v1 refused", "http://…@host:80/v1 refused"),
        ("https://token@host", "https://…@host"),
        ("http://a:p@ss@host/", "http://…@host/"),
        ("'http://host/v1?api_key=abc&n=1'", "'http://host/v1?api_key=…&n=1'"),
        ("http://host/?n=1&X-Amz-Signature=abc#access_token=def", "http://host/?n=1&X-Amz-Signature=…#access_token=…"),
        ("/v1?KEY=a&code=b&password=c&sig=d&auth=e", "/v1?KEY=…&code=…&password=…&sig=…&auth=…"),
        ("{'Authorization': 'Bearer abcdefgh'}", "{'Authorization': 'Bearer …'}"),
        ("authorization: Basic YWxpY2U6c2VjcmV0", "authorization: Basic …"),
        ('"x-api-key": "abcdefgh"', '"x-api-key": "…"'),
        ("API_KEY=abcdefgh12", "API_KEY=…"),
        ("sent bearer eyJhbGciOi.J9-x_y", "sent bearer …"),
        ("not sk-abcdefghij0123456789 but hf_abcdefghijklmnopqr", "not … but …"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_comes_from(text, hidden):
    assert redacted(text) == hidden
    assert redacted(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8000/v1?api-version=2024-05-01&monkeys=3",
        "mail a@b.c about http://host/v1",
        "https://host/user@example",
        "the bearer authentication is needed",
        "max_tokens=64, keys=12345678",
        "pip install git+https://host/a/b@v1.2",
        "sk-learn and hf_home",
        "1 > 2",
    ],
)
def test_control_what_is_no_secret_stays(text):
    assert redacted(text) == text


@given(st.text(alphabet="ab:/@?&=key.…# \n'\"1", max_size=60))
def test_hiding_twice_is_hiding_once(text):
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "unit", ["://", "://a", "?key", "&a", "?", "bearer ", "bearer a", "authorization: ", "a", " ", "sk-"]
)
def test_a_long_message_is_read_at_once(unit):
    text, begun = unit * (200_000 // len(unit)), time.process_time()
    redacted(text)
    assert time.process_time() - begun < 20


def test_no_message_of_somebody_else_s_exception_holds_the_key(monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    error = RuntimeError(f"refused: {KEY}\nagain {KEY}")
    messages = [message_of(error), briefly(error), why(error), explained(error), message_of(OSError(KEY))]
    with pytest.raises(ValueError, match="'f' raised RuntimeError: refused: … again …") as caught, blame("'f' raised"):
        raise error
    assert refuse(error) == refuse(caught.value) == 2
    monkeypatch.setenv("GRAO_TRACEBACK", "1")
    refuse(error)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.count("error: ") == 3
    assert not [text for text in [*messages, said] if KEY in text]


@pytest.mark.parametrize(
    "url",
    [
        "http://alice:opensesame@host/v1",
        "http://opensesame@host/v1",
        "http://alice:open/opensesame@host/v1",
        "https://host/v1?api_key=opensesame",
        "https://host/v1?code=opensesame&api-version=1",
    ],
)
def test_a_judge_s_url_with_a_secret_is_refused_and_not_shown(url):
    with pytest.raises(ValueError, match=r"judge_base_url must hold no key or password.*OPENAI_API_KEY") as caught:
        Config(judge_base_url=url)
    assert "opensesame" not in str(caught.value)
    assert Config(judge_base_url="http://host:8000/v1?api-version=1").judge_base_url  # control


@pytest.mark.parametrize("door", ["flag", "file"])
def test_a_command_does_not_show_it_either(door, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("judge_base_url: http://alice:opensesame@host/v1\n")
    given = ["--config", str(file)] if door == "file" else ["--judge-base-url", "http://alice:opensesame@host/v1"]
    command = [sys.executable, "-m", "grao_ref.train", *given, "--output-dir", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 2
    assert "judge_base_url must hold no key or password" in ended.stderr.replace("\n", " ")
    assert "opensesame" not in ended.stdout + ended.stderr
    assert not (tmp_path / "out").exists()
