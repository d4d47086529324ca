"""Uploading the trained model: the real client against a stand-in for the hub, and what is refused before a run."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, constants

from grao_ref.runs.hub import push, repository, require_hub
from grao_ref.settings.config import Config
from grao_ref.train import main
from tests.runs.hub_server import TOKEN, USER, stand_in

ROOT = Path(__file__).parents[2]
SMALL = ["--max-steps", "1", "--num-generations", "2", "--per-device-train-batch-size", "4", "--max-eval-prompts", "4"]
PUSHED = Config(push_to_hub=True, hub_model_id="team/sorter")


@pytest.fixture
def at(monkeypatch, tmp_path):
    """This process's client, which has read the environment already, calls the hub at an address, with a token."""

    def call(address, token=TOKEN):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN", raising=False)

    return call


def test_the_command_uploads_the_final_model_with_its_card(tmp_path):
    flags = [*SMALL, "--output-dir", "out", "--push-to-hub", "--hub-model-id", "team/sorter"]
    kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    with stand_in() as hub:
        own = {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1"}
        ended = subprocess.run(
            [sys.executable, "-m", "grao_ref.train", *flags],
            cwd=tmp_path,
            env=kept | own | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert f"On the hub: {hub.address}/team/sorter" in ended.stdout
    model = tmp_path / "out" / "model"
    files = {str(path.relative_to(model)): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    uploaded = hub.files["team/sorter"]
    assert {name: content for name, content in uploaded.items() if name != ".gitattributes"} == files
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(files)
    assert "grao_ref" in ModelCard(uploaded["README.md"].decode()).data.tags
    for content in uploaded.values():
        assert str(tmp_path).encode() not in content
    assert hub.asked.index("GET /api/whoami-v2") < hub.asked.index("POST /api/repos/create")


def test_a_name_without_an_owner_is_the_user_s_and_the_output_folder_s_by_default(tmp_path, at):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "README.md").write_text("A card.")
    with stand_in() as hub:
        at(hub.address)
        assert (
            push(tmp_path / "model", Config(push_to_hub=True, output_dir=tmp_path / "one"))
            == f"{hub.address}/{USER}/one"
        )
    assert hub.files == {f"{USER}/one": {"README.md": b"A card."}}


def test_a_push_that_fails_says_where_the_model_is_and_how_to_push_it_by_hand(tmp_path, at, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with stand_in(refuses=("models/",)) as hub:
        at(hub.address)
        assert main([*SMALL, "--output-dir", "out", "--push-to-hub", "--hub-model-id", "team/sorter"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert line.startswith("error: the model is in out/model, and pushing it to the hub failed: ")
    assert line.endswith("By hand: hf upload team/sorter out/model")
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "token", "words"),
    [
        ({}, None, "push_to_hub needs a token that may write: hf auth login, or set HF_TOKEN"),
        ({}, "hf_wrong", "push_to_hub: the hub does not answer to this token: "),
        ({"hub_model_id": "a/b/c"}, TOKEN, "hub_model_id 'a/b/c' can't be a name on the hub: "),
        ({"use_peft": True}, TOKEN, "push_to_hub: an adapter can be loaded with its base alone"),
    ],
    ids=["no token", "wrong token", "bad name", "adapter of a folder"],
)
def test_what_could_not_be_pushed_is_refused(changes, token, words, at):
    with stand_in() as hub:
        at(hub.address)
        require_hub(PUSHED)  # control
        at(hub.address, token)
        with pytest.raises(ValueError, match=f"^{words}") as caught:
            require_hub(replace(PUSHED, **changes))
    assert "\n" not in str(caught.value)
    assert hub.files == {}


def test_a_hub_that_is_not_there_and_one_that_must_not_be_called_are_refused_before_the_run(
    tmp_path, at, monkeypatch, capsys
):
    flags = [*SMALL, "--output-dir", str(tmp_path / "out"), "--push-to-hub"]
    at("http://127.0.0.1:1")
    assert main(flags) == 2
    assert capsys.readouterr().err.startswith("error: push_to_hub: the hub does not answer to this token: ")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(flags) == 2
    assert capsys.readouterr().err == "error: push_to_hub needs the hub, and HF_HUB_OFFLINE is set\n"
    assert not (tmp_path / "out").exists()


def test_a_name_is_needed_and_nothing_is_asked_where_nothing_is_pushed():
    with pytest.raises(ValueError, match="needs a name: --hub-model-id USER/NAME, or --output-dir"):
        repository(Config(push_to_hub=True))
    assert repository(Config(push_to_hub=True, output_dir=Path("runs/one"))) == "one"
    assert repository(Config(push_to_hub=True, output_dir=Path("runs/one"), hub_model_id="a/b")) == "a/b"
    require_hub(Config())
