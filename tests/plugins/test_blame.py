"""Somebody else's exceptions: whose they are, in one line, with the line of code to look at."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grao_ref.plugins.blame import blame, briefly, expected, one_line_errors, why
from grao_ref.settings.kinds import require_kind


class OddError(Exception):
    def __str__(self):
        raise TypeError("no words")


class BareError(BaseException):
    pass


def caught(raising) -> BaseException:
    """What `raising` raises, as it was raised."""
    try:
        raising()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raised(error):
    def function(*_):
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("absent"), "KeyError: 'absent'"),
        (ValueError("two\n   lines"), "ValueError: two lines"),
        (SystemExit(), "SystemExit: no message"),
        (BareError("bare"), "BareError: bare"),
        (OddError(), "OddError: no message"),
        (RuntimeError("x" * 5000), "RuntimeError: " + "x" * 600 + "…"),
    ],
)
def test_whatever_is_raised_becomes_one_line_with_its_cause_and_its_place(error, words):
    with pytest.raises(ValueError, match=r"^reward function 'f' raised ") as told, blame("reward function 'f' raised"):
        raised(error)()
    line = str(told.value)
    assert line.startswith(f"reward function 'f' raised {words} ({__file__}, line ")
    assert line.endswith(": raise error)")
    assert "\n" not in line
    assert told.value.__cause__ is error  # the traceback has both


def test_an_interruption_and_what_has_words_of_its_own_pass():
    for error, allowed in ((KeyboardInterrupt(), ()), (ZeroDivisionError(), (ArithmeticError,))):
        with pytest.raises(type(error)), blame("f raised", own=allowed):
            raise error
    with pytest.raises(ValueError, match="f raised ZeroDivisionError"), blame("f raised"):  # control
        raise ZeroDivisionError


def test_an_error_of_this_package_passes_where_its_code_runs_too():
    with pytest.raises(ValueError, match=r"^seed must be"), blame("reading raised", ours=True):
        require_kind("seed", -1.5, int)
    with pytest.raises(ValueError, match=r"^reading raised ValueError: theirs"), blame("reading raised", ours=True):
        raise ValueError("theirs")
    with pytest.raises(FileNotFoundError), blame("reading raised", ours=True):
        Path("not there").read_text()


def test_the_place_is_in_the_user_s_code_where_there_is_some():
    words = why(caught(lambda: json.loads("{")))  # the error is raised in Python's own library
    assert f"{__file__}, line " in words
    assert 'json.loads("{")' in words


def test_broken_syntax_is_shown_where_it_stands_and_not_where_it_was_imported(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef f(:\n    pass\n")
    error = caught(lambda: compile(file.read_text(), str(file), "exec"))
    assert why(error) == f"SyntaxError: invalid syntax ({file}, line 2: def f(:)"


def test_which_errors_say_what_to_do():
    assert expected(caught(lambda: require_kind("seed", -1.5, int)))
    assert expected(caught(lambda: Path("not there").read_text()))
    assert not expected(caught(lambda: {}["absent"]))
    assert not expected(caught(lambda: int("many")))  # a ValueError, and nobody wrote it for a user
    assert not expected(caught(raised(ConnectionError("reset"))))  # an OSError without a file


def run(main, capsys) -> tuple[int, list[str]]:
    code = one_line_errors(main)([])
    return code, capsys.readouterr().err.splitlines()


def test_a_command_ends_with_one_line_and_code_2_whatever_it_raises(capsys, monkeypatch):
    monkeypatch.delenv("GRAO_TRACEBACK", raising=False)
    code, (line,) = run(raised(RecursionError("deep")), capsys)
    assert code == 2
    assert line.startswith(f"error: RecursionError: deep ({__file__}, line ")
    assert line.endswith("; GRAO_TRACEBACK=1 shows the traceback")
    code, lines = run(lambda _: require_kind("seed", -1.5, int), capsys)
    assert code == 2
    assert lines == ["error: seed must be a whole number, got -1.5"]
    assert run(lambda _: 7, capsys) == (7, [])  # control
    code, lines = run(raised(KeyboardInterrupt()), capsys)
    assert (code, lines) == (130, ["", "interrupted"])


def test_the_traceback_is_there_for_who_asks(capsys, monkeypatch):
    monkeypatch.setitem(os.environ, "GRAO_TRACEBACK", "1")
    code, lines = run(raised(RecursionError("deep")), capsys)
    assert code == 2
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("error: RecursionError: deep")


def test_a_library_s_message_is_cut_to_its_first_sentence_and_not_to_half_of_one():
    assert briefly(OSError("No config.json.\nOtherwise, make sure of much more.")) == "No config.json."
    field = ValueError("Validation error for field 'heads':\n    TypeError: expected int, got str\nmore")
    assert briefly(field) == "Validation error for field 'heads': TypeError: expected int, got str"
    assert briefly(KeyError("added_tokens")) == "KeyError: 'added_tokens'"
    assert briefly(AssertionError()) == "AssertionError: no message"


POOL = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from grao_ref.plugins.blame import leave
ThreadPoolExecutor().submit(time.sleep, float(sys.argv[2]))
print("said", end="")
leave(int(sys.argv[1]))
"""


def test_an_interrupted_command_does_not_wait_for_the_threads_of_a_reward_function():
    """Python joins a pool's threads when it ends; these would take an hour."""
    words = [sys.executable, "-c", POOL]
    ended = subprocess.run([*words, "130", "3600"], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout) == (130, "said")
    started = time.monotonic()  # control: a command that was not interrupted waits for them
    ended = subprocess.run([*words, "0", "2"], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "said")
    assert time.monotonic() - started >= 2
