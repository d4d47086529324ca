"""The check of the exercises: our answers are right, empty ones are not, and each wrong answer gets a hint."""

import inspect
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tutorials import exercise
from tutorials.exercise import HERE, MINE, answers_path, judge, load, main, stub_path

WRONG = Path(__file__).parent / "wrong"
NUMBERS = sorted(int(path.stem.removeprefix("check_")) for path in (HERE / "checks").glob("check_*.py"))
WRONG_ANSWERS = [
    (number, name)
    for number in NUMBERS
    if (WRONG / f"wrong_{number}.py").exists()
    for name, _ in inspect.getmembers(load(WRONG / f"wrong_{number}.py"), inspect.isfunction)
    if "__" in name.strip("_")
]
AN_ERROR = re.compile(r"\b[A-Z]\w*(Error|Exception|Warning)\b")


def checks(number):
    return load(HERE / "checks" / f"check_{number}.py")


def functions(number):
    return [name.removeprefix("check_") for name in vars(checks(number)) if name.startswith("check_")]


@pytest.mark.parametrize("number", NUMBERS)
def test_what_the_reader_starts_with_is_not_yet_written(number):
    verdicts = judge(load(stub_path(number)), checks(number))
    assert set(verdicts.values()) == {"not written yet"}


@pytest.mark.parametrize(("number", "name"), WRONG_ANSWERS)
def test_a_wrong_answer_is_told_what_is_wrong(number, name):
    """By a sentence, not by the name of an exception, which does not help a reader."""
    answers = load(WRONG / f"wrong_{number}.py")
    function = name.partition("__")[0]
    assert function in functions(number), f"{name} answers no exercise of tutorial {number}"
    setattr(answers, function, getattr(answers, name))
    hint = judge(answers, checks(number))[function]
    assert hint is not None, "it passes for right"
    assert hint not in ("wrong", "not written yet")
    assert len(hint.split()) >= 4, hint
    assert not AN_ERROR.search(hint.splitlines()[0]), hint


@pytest.mark.parametrize(
    ("number", "name", "cause"),
    [
        (1, "advantages__sample_deviation", "divided by 5"),
        (1, "advantages__something_added_to_the_deviation", "nothing is added"),
        (1, "objective__terms_already_weighted", "neither 1/G nor β"),
        (3, "settings__a_larger_rate_alone", "if imitation is strong"),
        (3, "settings__a_rate_far_too_large", "far too long"),
        (3, "settings__no_imitation", "imitation has to be there"),
        (4, "who_is_ahead__imitation_hinders_who_knows_y", "1 + λ = 1.6 times"),
        (5, "fewest_dead__a_longer_step", "sampled before its step"),
        (5, "logged_loss__sample_deviation", "yours is -0.03536"),
        (5, "probability_dead__two_rewards", "how likely is a group"),
    ],
)
def test_a_hint_names_the_cause(number, name, cause):
    answers = load(WRONG / f"wrong_{number}.py")
    function = name.partition("__")[0]
    setattr(answers, function, getattr(answers, name))
    assert cause in judge(answers, checks(number))[function]


def test_on_the_second_bandit_of_exercise_4_a_longer_step_is_the_whole_difference():
    """What its hint says."""
    check = checks(4)

    def value(method, rate):
        return check._value(*check.BANDITS[1], method=method, learning_rate=rate, max_steps=60)

    assert value("grao", 0.2) > value("grpo", 0.2) + 0.1
    assert value("grpo", 1.6 * 0.2) == pytest.approx(value("grao", 0.2), abs=0.02)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_exercise_has_two_wrong_answers(number):
    wrong = [name.partition("__")[0] for of, name in WRONG_ANSWERS if of == number]
    assert {name: wrong.count(name) >= 2 for name in functions(number)} == dict.fromkeys(functions(number), True)


@pytest.fixture(autouse=True)
def mine(monkeypatch, tmp_path):
    """The folder of a reader who begins: nothing is written into the checkout."""
    monkeypatch.setattr(exercise, "MINE", tmp_path / "my_answers")
    return tmp_path / "my_answers"


@pytest.fixture
def written(monkeypatch, tmp_path):
    """A function that writes a text into exercise_1.py, runs the command on it, and returns the exit code."""

    def judged(text):
        path = tmp_path / "exercise_1.py"
        path.write_text(text)
        monkeypatch.setattr(exercise, "answers_path", lambda number, solution=False: path)
        return main(["1"])

    return judged


def test_exit_codes_and_words(mine, capsys):
    assert main(["1", "--solution"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "right    advantages",
        "right    mean_log_likelihood",
        "right    objective",
    ]
    assert not mine.exists()  # looking at our answers begins nothing
    assert main(["1"]) == 1
    said = capsys.readouterr().out
    assert "not yet  objective: not written yet" in said
    assert f"0 of 3 right. Your answers are read from {mine / 'exercise_1.py'}" in said


def test_the_first_call_makes_the_readers_file_and_later_ones_leave_it(mine, capsys):
    path = mine / "exercise_1.py"
    assert main(["1"]) == 1
    assert f"{path} is new: " in capsys.readouterr().out
    assert path.read_bytes() == stub_path(1).read_bytes()
    answered = answers_path(1, solution=True).read_text()
    path.write_text(answered)
    assert main(["1"]) == 0
    assert "is new" not in capsys.readouterr().out
    assert path.read_text() == answered
    assert list(mine.iterdir()) == [path]  # of the tutorial that was asked for alone


def test_without_a_number_the_first_tutorial_s_are_judged(mine, capsys):
    assert main([]) == 1
    assert str(mine / "exercise_1.py") in capsys.readouterr().out


def test_git_ignores_the_readers_folder():
    """So that answers are neither committed nor in the way of an update."""
    try:
        ignored = subprocess.run(
            ["git", "check-ignore", str(MINE / "exercise_1.py"), str(stub_path(1))],
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert ignored.stdout.splitlines() == [str(MINE / "exercise_1.py")]


@pytest.mark.parametrize("number", NUMBERS)
def test_our_solutions_are_right_and_the_command_says_so_of_the_tutorial_that_it_is_given(number, capsys):
    assert functions(number)
    assert main([str(number), "--solution"]) == 0
    assert capsys.readouterr().out.split() == [word for name in functions(number) for word in ("right", name)]


@pytest.mark.parametrize("number", ["0", "99", "-1"])
def test_a_number_out_of_range(number, capsys):
    assert main(["--", number]) == 2
    assert capsys.readouterr().out == f"error: there are exercises {', '.join(map(str, NUMBERS))}, not {number}\n"


def test_no_number(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["three"])
    assert stopped.value.code == 2
    assert "number" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(("goals", "command"), [("3", "exercise 3 "), ("N=3", "exercise 3 "), ("", "exercise  ")])
def test_make_hands_the_number_on(goals, command):
    words = ["make", "--dry-run", "exercise", *goals.split()]
    ours = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARGS", "N"}  # of the `make test` that runs this
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    said = subprocess.run(words, cwd=HERE.parent, env=clean, capture_output=True, text=True, check=True)
    (line,) = [line for line in said.stdout.splitlines() if "-m tutorials.exercise" in line]
    assert line.endswith(f"tutorials.{command}")
    assert said.stderr == ""


def test_a_syntax_error_of_the_readers_is_told_with_its_line(written, capsys):
    assert written("x = 1\ndef advantages(:\n") == 2
    said = capsys.readouterr().out
    assert said.startswith("error: ")
    assert "exercise_1.py does not import: " in said
    assert said.endswith(", line 2\n")


def test_a_name_error_at_import_is_told_with_its_line(written, capsys):
    assert written("x = 1\n\ny = z\n") == 2
    said = capsys.readouterr().out
    assert "NameError: name 'z' is not defined, line 3 of exercise_1.py" in said


def test_an_exception_of_the_readers_is_told_with_its_line_and_the_others_are_judged(written, capsys):
    text = answers_path(1, solution=True).read_text()
    broken = text.replace("    pool = [*rewards, reference_reward]\n", "    pool = [rewards[99]]\n")
    line = 1 + broken.splitlines().index("    pool = [rewards[99]]")
    assert written(broken) == 1
    said = capsys.readouterr().out
    assert f"not yet  advantages: IndexError: list index out of range, line {line} of exercise_1.py" in said
    assert "right    objective" in said
    assert "2 of 3 right" in said


def test_an_assert_of_the_readers_own_is_not_right(written, capsys):
    """It has no message, but it is not a right answer."""
    assert written("def advantages(rewards, reference):\n    assert False\n") == 1
    assert "not yet  advantages: wrong" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["raise SystemExit(0)\n", "import sys\n\nsys.exit()\n"])
def test_a_file_that_exits_is_not_right(text, written, capsys):
    """Its exit code would be taken for the command's."""
    assert written(text) == 2
    assert "exercise_1.py does not import: SystemExit" in capsys.readouterr().out


def test_an_answer_that_exits_is_not_right(written, capsys):
    assert written("def advantages(rewards, reference):\n    raise SystemExit(0)\n") == 1
    assert "not yet  advantages: SystemExit: 0, line 2 of exercise_1.py" in capsys.readouterr().out


def test_a_function_that_is_gone_is_missed(written, capsys):
    assert written("def objective(*anything):\n    raise NotImplementedError\n") == 1
    said = capsys.readouterr().out
    assert "advantages: there is no function of this name" in said
    assert "objective: not written yet" in said


def test_brackets_in_a_hint_are_no_markup(written, capsys):
    assert written("def advantages(rewards, reference):\n    raise ValueError('[red]x[/]')\n") == 1
    assert "ValueError: [red]x[/], line 2" in capsys.readouterr().out


def test_an_answer_of_another_kind_is_no_exception_of_the_checks(written, capsys):
    assert written("def objective(*anything):\n    return 1.0\n") == 1
    assert "objective: what it returns is not of the kind asked for" in capsys.readouterr().out


def test_a_dataclass_in_an_answer_works(written, capsys):
    text = answers_path(1, solution=True).read_text()
    own = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Pool:\n    x: int\n"
    assert written(own + text.partition('"""\n')[2]) == 0
