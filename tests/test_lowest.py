"""What `make lowest` runs needs no package that its environment does not have."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RECIPE = (ROOT / "Makefile").read_text().split("\nlowest:")[1].split("\n\n")[0].replace("\\\n", " ")
PLACES = re.search(r"-m pytest -q(( tests/\S+)+)", RECIPE)[1].split()
FILES = sorted(
    path for place in PLACES for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)


def named(distribution: str, *extras: str) -> set[str]:
    """What a distribution asks for itself, with these extras of it."""
    asked = {Requirement(each) for each in requires(distribution) or ()}
    wanted = {
        each for each in asked if not each.marker or any(each.marker.evaluate({"extra": x}) for x in ("", *extras))
    }
    return {canonicalize_name(each.name) for each in wanted}


def at_the_top(path: Path) -> set[str]:
    """The modules that a file imports outside functions, without the project's own and Python's."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"grao_ref", "tests", "theory", "tutorials"}


@pytest.fixture(scope="module")
def there():
    """What a module may come from. Packages that others bring differ between versions: rich 13 has no markdown-it."""
    return named("grao_ref", "dev", "theory") | named("transformers")


def test_no_file_imports_another_extra_s_package_at_its_top(there):
    of = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in FILES
        for module in at_the_top(path)
        if not there & {canonicalize_name(name) for name in of.get(module, ())}
    }
    assert not missing


def test_control_the_extras_packages_are_not_there(there):
    assert len(FILES) > 50
    assert {"torch", "transformers", "hypothesis", "rich", "numpy"} <= there
    assert not there & {"peft", "datasets", "markdown-it", "openai", "playwright", "trl"}
