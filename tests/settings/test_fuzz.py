"""Whatever stands in a config file or on the command line: settings, or exit code 2 and one error."""

import contextlib
import io
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jaxtyping import config as checks

from grao_ref.settings.checks import check
from grao_ref.settings.config import Config, settings_of
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS

NAMES = [field.name for field in fields(Config)]
WORDS = [
    "", "~", "~/x", "~nobody/x", "none", "true", "no", "1e-5", "-1", "0", "1", "1" * 4400, "1e400", "nan", "inf",
    "-inf", "{}", "[]", '{"a": 1}', '{"a": NaN}', "[" * 1500, "a.b", ".", "..", "a..b", "grao", "grpo", "sorting",
    "bandit", "tabular", "tiny", "x" * 300, "a\0b", "a\nb", "\ud800", "é", "os.path", "cuda:99", "cpu",
    "reasoning-gym:", "=",
]  # fmt: skip
TEXTS = st.sampled_from(WORDS) | st.text(max_size=6)
SCALARS = TEXTS | st.integers() | st.floats() | st.booleans() | st.none() | st.sampled_from([10**400, -(2**70)])
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=2),
    max_leaves=5,
)


@pytest.fixture(scope="module", autouse=True)
def _values_of_any_type():
    """They reach the package's own errors, which is what a user sees."""
    checks.update("jaxtyping_disable", True)
    yield
    checks.update("jaxtyping_disable", False)


def require_words(code: object, lines: list[str]) -> None:
    """The help, or one error, behind notes on words of TRL's."""
    assert code in (0, 2)
    if code == 2:
        assert lines[0].startswith(("error: ", "note: "))
        assert sum(line.startswith("error: ") for line in lines) == 1
        assert "Traceback" not in "".join(lines)


def made_or_refused(arguments: list[str]) -> Config | None:
    """The settings; None where they are refused, as they should be."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            config = parse(arguments, PRESETS, module="grao_ref.train", description="")
    except SystemExit as end:
        return require_words(end.code, errors.getvalue().splitlines())
    try:
        check(config)
    except ValueError as error:
        require_words(2, ["error: " + str(error)] * (not isinstance(error, UnicodeError)))
    return config


def of_file(text: str, *more: str) -> Config | None:
    """What a config file with this text makes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return made_or_refused(["--config", str(path), *more])


@given(st.dictionaries(st.sampled_from(NAMES), ANY, max_size=3))
@example({"lora_r": 10**400})  # no float can hold it
def test_any_values_of_settings_in_a_file(settings):
    found = of_file(yaml.safe_dump(settings, allow_unicode=False))
    if found is not None:
        yaml.safe_dump(settings_of(found))


@given(st.dictionaries(st.sampled_from(NAMES) | SCALARS, ANY, max_size=3), st.sampled_from(["", "--seed", "--method"]))
def test_any_keys_in_a_file(settings, flag):
    of_file(yaml.safe_dump(settings), *([flag] if flag else []))


@given(
    st.text(max_size=40)
    | st.sampled_from(["[" * 1500, "{" * 1500, "- " * 1500, "&a [*a]", "&a {x: *a}", "seed: &s 3\nmax_steps: *s"])
)
def test_any_text_as_a_file(text):
    of_file(text)


@given(
    st.sampled_from(NAMES),
    st.sampled_from(
        [
            "&a [*a]",
            "&a {x: *a}",
            "!!python/none",
            "2001-01-01",
            "!!binary aGk=",
            "!!set {a}",
            ".nan",
            "0x1F",
            "1_000",
            "1:30",
            "? a",
        ]
    ),
)
def test_any_value_that_only_yaml_has(name, value):
    of_file(f"{name}: {value}")


FLAGS = st.one_of(
    st.sampled_from(NAMES).map(lambda name: "--" + name.replace("_", "-")),
    st.sampled_from(NAMES).map(lambda name: f"--no_{name}"),
    st.builds(lambda name, text: f"--{name}={text}", st.sampled_from(NAMES), TEXTS),
    st.sampled_from(
        ["--", "-", "-h", "--help", "--preset", "--config", "--no-", "--=", "---x", "--seed=", "-1", "--x"]
    ),
    TEXTS,
    st.sampled_from([*PRESETS]),
)


@given(st.lists(FLAGS, max_size=6))
def test_any_words_on_the_command_line(words):
    made_or_refused(words)


@given(st.sampled_from(NAMES), TEXTS)
def test_any_text_behind_any_flag(name, text):
    found = made_or_refused([f"--{name}", text])
    again = made_or_refused([f"--{name}={text}"])
    if found is not None and again is not None:
        assert settings_of(found) == settings_of(again) or text.lower() in ("none", "null")
