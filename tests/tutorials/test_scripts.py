"""House rules of the tutorials that can be tested on their text, without running them."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.tutorials import scratch
from tutorials.sources import HERE, read, tutorials

ROOT = HERE.parent
SCRIPTS = sorted(HERE.glob("[0-9][0-9]_*.py"))
FAQ = "13"
WITH_EXERCISES = [path for path in SCRIPTS if path.name[:2] != FAQ]
HEADING = re.compile(r"^# (##? .+)$", re.MULTILINE)
by_name = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
with_exercises = pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)


def sections(text):
    """Heading -> what stands below it, up to the next."""
    _, *parts = HEADING.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def asserts(text):
    return sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(text)))


def test_no_two_have_the_same_number():
    numbers = [tutorial.number for tutorial in tutorials()]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, 14))


@by_name
def test_title_and_summary(path):
    tutorial = read(path)
    assert 5 < len(tutorial.title) < 80
    assert not re.search(r"[$`*]", tutorial.title), "a title is plain: it goes into the window's"
    assert 40 < len(tutorial.summary) < 500


@by_name
def test_it_asserts_what_it_claims(path):
    below = sections(path.read_text())
    if path.name[:2] != FAQ:
        assert asserts(below["## What was claimed"]) >= 3
        assert list(below)[-2:] == ["## What was claimed", "## Exercises"]
    assert asserts(path.read_text()) >= 3


@by_name
def test_it_defines_only_what_draws_and_what_arranges_a_run_and_rewards(path):
    """Every equation is the package's: a tutorial with its own could be right while the package is wrong.

    A reward function is a user's own: it takes `completions`, as TRL's do. GRAO from scratch has its own equations by
    design: test_from_scratch.py demands that they are the package's.
    """
    nodes = list(ast.walk(ast.parse(path.read_text())))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if path == scratch.SCRIPT:
        functions = [node for node in functions if node.name not in scratch.names()]
    names = [node.name for node in functions if "completions" not in [each.arg for each in node.args.args]]
    methods = {m.name for c in nodes if isinstance(c, ast.ClassDef) for m in c.body if isinstance(m, ast.FunctionDef)}
    assert [name for name in names if not name.startswith(("draw_", "run_")) and name not in methods] == []
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            assert node.bases, f"{node.name}: a class is a task, and extends the package's"


@by_name
def test_it_needs_neither_network_nor_another_tutorial(path):
    text = path.read_text()
    assert not re.search(r"https?://(?!arxiv\.org|github\.com|huggingface\.co)", text)
    assert not re.search(r"^\s*(!|%(?!%))", text, re.MULTILINE), "no magic: it runs as a plain script as well"
    assert "_build" not in text


@by_name
def test_a_cell_that_draws_says_so_with_its_tag(path):
    """So that its code is folded on the page."""
    for cell in re.split(r"^# %%", path.read_text(), flags=re.MULTILINE):
        if "style.show(" in cell:
            assert cell.startswith(' tags=["picture"]'), cell[:80]


@with_exercises
def test_its_exercises_solutions_and_checks_are_about_the_same_functions(path):
    number = int(path.name[:2])
    named = {}
    for kind in ("exercise", "solution", "check"):
        tree = ast.parse((HERE / f"{kind}s" / f"{kind}_{number}.py").read_text())
        named[kind] = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}
    checked = {name.removeprefix("check_") for name in named["check"] if name.startswith("check_")}
    assert set(named["exercise"]) == checked
    assert checked <= set(named["solution"])
    assert 2 <= len(checked) <= 4
    for name, stub in named["exercise"].items():
        assert ast.unparse(stub.args) == ast.unparse(named["solution"][name].args)
        assert ast.get_docstring(stub), f"{name} has no task"
        assert f"`{name}`" in sections(path.read_text())["## Exercises"], f"{name} is not announced in the tutorial"


@with_exercises
def test_it_says_where_to_write_and_how_to_be_judged(path):
    number, below = int(path.name[:2]), sections(path.read_text())["## Exercises"]
    for word in (f"`my_answers/exercise_{number}.py`", f"`make exercise {number}`", f"solutions/solution_{number}.py"):
        assert word in below


def test_no_notebook_is_kept_in_git():
    """A notebook in git goes stale, and its outputs can't be reviewed."""
    try:
        listed = subprocess.run(["git", "ls-files", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert listed.stdout == ""


def test_every_folder_beside_the_scripts_belongs_to_one():
    numbers = {int(path.name[:2]) for path in WITH_EXERCISES}
    for folder in ("exercises", "solutions", "checks"):
        found = {int(Path(path).stem.rpartition("_")[2]) for path in (HERE / folder).glob("*.py")}
        assert found == numbers
