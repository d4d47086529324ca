"""What belongs to a row of the ledger: its code, what of the package it uses, its tests, the tutorials that name it."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tutorials.api import Module, modules
from tutorials.api_pages import PACKAGE, Writer
from tutorials.sources import Source

ROOT = PACKAGE.parent
# It settles every row, whatever the row's id: pytest writes the id in brackets.
EVERY = (
    "tests/theory/test_claims.py",
    "test_a_smaller_run_comes_to_the_verdict_of_the_committed_report",
)

PAPER = '<a href="https://arxiv.org/abs/2508.07750">the paper</a>'
# How an id begins -> what kind of row it is, and where its statement is from.
KINDS = {
    "eq-": ("equation", f"an equation of {PAPER}"),
    "A": ("assumption", f"an assumption of the convergence proof in {PAPER}"),
    "claim-": ("claim", f"{PAPER} claims it; the words are this project's"),
    "table-": (
        "table",
        f"a table of {PAPER}; what is read off it is in this project's words",
    ),
    "figure-": ("figure", f"a figure of {PAPER}, described in this project's words"),
    "thm-": (
        "theorem",
        f"this project's, about the method of {PAPER}; the paper does not state it",
    ),
    "exp-": (
        "experiment",
        f"this project's, about a question that {PAPER} leaves open",
    ),
}


@dataclass(frozen=True)
class Use:
    """A name of the package that a row's computation imports."""

    name: str
    place: str  # of its description, as file.html#name; empty if there is none
    through: str = ""  # the file of the theory that imports it; empty if the row's own


class Package:
    """The package's names as the reference of the site has them."""

    def __init__(self) -> None:
        read = modules(PACKAGE)
        self.modules: dict[str, Module] = {each.name: each for each in read}
        self.places = Writer(read).places

    def uses(self, source: str) -> list[Use]:
        """What a file of the theory imports of the package, then what the files do that it imports.

        A helper's import is listed whether or not this row calls the part that needs it.
        """
        found: dict[str, Use] = {}
        waiting, seen = [source], {source}
        while waiting:
            file = waiting.pop(0)
            for module, name in imports(ROOT / file):
                if module.split(".")[0] == "grao_ref":
                    through = "" if file == source else file
                    use = Use(name, self._place(module, name), through)
                    found.setdefault(name, use)
                helper = f"{module.replace('.', '/')}.py"
                if helper.startswith("theory/") and helper not in seen:
                    seen.add(helper)
                    if (ROOT / helper).is_file():
                        waiting.append(helper)
        return sorted(found.values(), key=lambda use: (use.through, use.name))

    def _place(self, module: str, name: str) -> str:
        known = self.modules.get(module)
        full = known.names.get(name, "") if known else ""
        return self.places.get(full, "")


def imports(path: Path) -> list[tuple[str, str]]:
    """(module, name) of each `from module import name` of a file, also inside functions.

    `from theory import runs` is ("theory.runs", "runs").
    """
    return _imports(path.read_text())


@cache  # a helper is imported by most rows
def _imports(text: str) -> list[tuple[str, str]]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                is_module = (
                    ROOT / node.module.replace(".", "/") / f"{alias.name}.py"
                ).is_file()
                module = f"{node.module}.{alias.name}" if is_module else node.module
                found.append((module, alias.name))
    return found


def kind_of(id: str) -> tuple[str, str]:
    """What kind of row an id is of, and where the statement is from.

    >>> kind_of("A2")[0], kind_of("exp-map")[0]
    ('assumption', 'experiment')
    """
    return next(words for start, words in KINDS.items() if id.startswith(start))


def line_of(source: str, function: str) -> int:
    """Where a function begins in a file, below its decorators. Raises `ValueError` if it isn't there."""
    for node in ast.parse((ROOT / source).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return node.lineno
    raise ValueError(f"{source} has no function {function!r}")


def naming(id: str) -> re.Pattern[str]:
    """Finds an id, or the name of its module, and no longer one: thm-1 is not in thm-10.

    >>> [bool(naming("thm-1").search(text)) for text in ("(thm-1)", "thm_1.py", "thm-10", "test_thm_1_by_hand", "A thm-1.")]
    [True, True, False, True, True]
    >>> bool(naming("exp-length").search("exp_lengths")), bool(naming("A1").search("A1-A5"))
    (False, False)
    """
    forms = re.escape(id).replace(r"\-", "[-_]")
    return re.compile(rf"(?<![A-Za-z0-9-]){forms}(?![A-Za-z0-9]|-\w)")


@cache
def _test_functions() -> list[tuple[str, str, str]]:
    """(file::name, source, source with hyphens for its underscores) of every test."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        file, text = path.relative_to(ROOT).as_posix(), path.read_text()
        if file.startswith("tests/tutorials/"):
            continue  # they are about pages
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                first = min(
                    [node.lineno, *(each.lineno for each in node.decorator_list)]
                )
                words = "\n".join(lines[first - 1 : node.end_lineno])
                found.append((f"{file}::{node.name}", words, words.replace("_", "-")))
    return found


def checked_by(id: str) -> list[str]:
    """The tests that name a row or use its module, after the one that settles every row on smaller samples."""
    pattern = naming(id)
    named = [
        name
        for name, words, hyphened in _test_functions()
        if id in hyphened and pattern.search(words)  # the first is quicker
    ]
    return ["::".join(EVERY) + f"[{id}]", *named]


def mentions(id: str, sources: list[Source]) -> list[Source]:
    """The tutorials and pages whose text or code names a row."""
    pattern = naming(id)
    return [each for each in sources if pattern.search(_text(each.path))]


@cache
def _text(path: Path) -> str:
    """A file without the names of tests, and without the first cells of a table's rows, which are labels of their own."""
    text = re.sub(r"^\| [\w-]+ \|", "|", path.read_text(), flags=re.MULTILINE)
    return re.sub(r"\btest_\w+", "", text)
