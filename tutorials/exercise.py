"""Check a reader's answers to the exercises of a tutorial: `make exercise 4`, or `python -m tutorials.exercise 4`.

The first call copies tutorials/exercises/exercise_4.py to my_answers/exercise_4.py, which git ignores. The reader fills
in the functions there. tutorials/checks/check_4.py has a `check_NAME` for each function NAME, which raises
`AssertionError` with a hint. tutorials/solutions/solution_4.py has our answers.
"""

import argparse
import inspect
import shutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.markup import escape

HERE = Path(__file__).parent
MINE = HERE.parent / "my_answers"  # the reader's own folder
NUMBERS = sorted(
    int(path.stem.rpartition("_")[2]) for path in (HERE / "exercises").glob("*.py")
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if every answer is right; 1 if one is not; 2 on bad input."""
    parser = argparse.ArgumentParser(
        "make exercise",
        usage="make exercise N, or make exercise N ARGS=--solution",
        description="Check your answers to a tutorial's exercises.",
    )
    parser.add_argument(
        "number",
        type=int,
        nargs="?",
        default=NUMBERS[0],
        help="the tutorial's number, as in: make exercise 4 (default: %(default)s)",
    )
    parser.add_argument(
        "--solution", action="store_true", help="check our answers instead of yours"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    if options.number not in NUMBERS:
        console.print(
            f"[red]error:[/] there are exercises {', '.join(map(str, NUMBERS))}, not {options.number}"
        )
        return 2
    path = answers_path(options.number, options.solution)
    if not path.exists():
        start(options.number, path)
        console.print(
            f"{escape(str(path))} is new: write your answers there, then run this again"
        )
    try:
        answers = load(path)
    except (Exception, SystemExit) as error:  # whatever the reader wrote
        console.print(
            f"[red]error:[/] {escape(str(path))} does not import: {escape(_where(error, path))}"
        )
        return 2
    verdicts = judge(answers, load(HERE / "checks" / f"check_{options.number}.py"))
    for name, problem in verdicts.items():
        console.print(
            f"[green]right[/]    {name}"
            if problem is None
            else f"[red]not yet[/]  {name}: {escape(problem)}"
        )
    missing = sum(problem is not None for problem in verdicts.values())
    if missing:
        console.print(
            f"{len(verdicts) - missing} of {len(verdicts)} right. Your answers are read from {escape(str(path))}"
        )
    return min(missing, 1)


def answers_path(number: int, solution: bool = False) -> Path:
    """The reader's file, or ours."""
    if solution:
        return HERE / "solutions" / f"solution_{number}.py"
    return MINE / f"exercise_{number}.py"


def stub_path(number: int) -> Path:
    """What the reader starts from."""
    return HERE / "exercises" / f"exercise_{number}.py"


def start(number: int, path: Path) -> None:
    """Make the reader's file from what they start from."""
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(stub_path(number), path)


def load(path: Path) -> ModuleType:
    """Run a file as a module, without a compiled copy beside it: that lies where a file changes twice in a second."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules[path.stem] = module  # a dataclass in the file needs its module there
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


def judge(answers: ModuleType, checks: ModuleType) -> dict[str, str | None]:
    """For each function that has a check: what is wrong with it, or None if it is right."""
    found = {
        name.removeprefix("check_"): check
        for name, check in vars(checks).items()
        if name.startswith("check_")
    }
    return {
        name: _problem(getattr(answers, name, None), check, answers)
        for name, check in found.items()
    }


def _problem(answer: Any, check: Any, answers: ModuleType) -> str | None:
    if answer is None:
        return "there is no function of this name"
    try:
        check(answer)
    except NotImplementedError:
        return "not written yet"
    except AssertionError as error:
        return str(error) or "wrong"
    except (Exception, SystemExit) as error:  # whatever the reader wrote
        if place := _line(error, Path(inspect.getfile(answers))):
            return f"{type(error).__name__}: {error}{place}"
        return f"what it returns is not of the kind asked for: {error}"
    return None


def _where(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}"
    return f"{type(error).__name__}: {error}{_line(error, path)}"


def _line(error: BaseException, path: Path) -> str:
    """The last line of the reader's own file in an error's traceback; empty if there is none."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    return f", line {lines[-1]} of {path.name}" if lines else ""


if __name__ == "__main__":
    sys.exit(main())
