"""The files that `make lowest` runs import, outside functions, no package that its environment does not have.

What tests do inside functions, and what older releases lack, only `make lowest` itself can tell.
"""

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RECIPE = (ROOT / "Makefile").read_text().split("\nlowest:")[1].split("\n\n")[0].replace("\\\n", " ")
PLACES = re.search(r"-m pytest -q(( tests/\S+)+)", RECIPE)[1].split()
SHARED = [*ROOT.glob("tests/*.py")]  # such as conftest.py; of the tests among them, those that the recipe names
FILES = sorted(
    {path for place in PLACES for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))}
    | {path for path in SHARED if not path.name.startswith("test_")}
)


def named(distribution: str, *extras: str) -> set[str]:
    """What a distribution asks for itself, with these extras of it."""
    asked = {Requirement(each) for each in requires(distribution) or ()}
    wanted = {
        each for each in asked if not each.marker or any(each.marker.evaluate({"extra": x}) for x in ("", *extras))
    }
    return {canonicalize_name(each.name) for each in wanted}


def at_the_top(text: str) -> set[str]:
    """The modules that a file imports outside functions, without the project's own and Python's."""
    names, waiting = set(), list(ast.parse(text).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return names - set(sys.stdlib_module_names) - {"grao_ref", "tests", "theory", "tutorials"}


distributions = cache(packages_distributions)  # it reads what every installed package says of itself


def missing(text: str, there: set[str]) -> set[str]:
    """What a file imports of packages that are not there."""
    of = distributions()
    return {
        module for module in at_the_top(text) if not there & {canonicalize_name(name) for name in of.get(module, ())}
    }


@pytest.fixture(scope="module")
def there():
    """What a module may come from. Packages that others bring differ between versions: rich 13 has no markdown-it."""
    return named("grao_ref", "dev", "theory") | named("transformers")


def test_no_file_imports_another_extra_s_package_at_its_top(there):
    found = {str(path.relative_to(ROOT)): missing(path.read_text(), there) for path in FILES}
    assert not {path: modules for path, modules in found.items() if modules}


def test_control_such_an_import_would_be_found(there):
    assert len(FILES) > 50
    assert {"torch", "transformers", "hypothesis", "rich", "numpy"} <= there
    text = "import torch\ntry:\n    import peft\nexcept ImportError:\n    from markdown_it import MarkdownIt"
    assert missing(text, there) == {"peft", "markdown_it"}
    assert not missing("def test():\n    import peft", there)
