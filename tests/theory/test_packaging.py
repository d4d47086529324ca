"""What a wheel of this project holds, and that the stated lower bounds are those that `make lowest` tests."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages() -> list[str]:
    """The packages that setuptools finds with the project's own settings."""
    find_packages = pytest.importorskip("setuptools").find_packages
    find = SETTINGS["tool"]["setuptools"]["packages"]["find"]
    assert find["namespaces"] is False  # its default would take a folder of data for a package
    where = ROOT / find.get("where", ["."])[0]
    return find_packages(str(where), find.get("exclude", ()), find["include"])


def data() -> set[str]:
    """The files that are no Python and go into the wheel."""
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]
    found = {path for package, each in patterns.items() for name in each for path in (ROOT / package).glob(name)}
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_a_wheel_installs_grao_ref_and_nothing_else_at_the_top():
    found = packages()
    assert {name.split(".")[0] for name in found} == {"grao_ref"}
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "grao_ref").rglob("__init__.py")}
    assert {name.replace(".", "/") for name in found} == folders


def test_every_file_of_the_package_that_is_no_python_goes_into_the_wheel():
    ours = {path for path in (ROOT / "grao_ref").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert {path.relative_to(ROOT).as_posix() for path in ours} == data()
    assert "grao_ref/py.typed" in data()


def test_the_embedded_model_s_folder_would_go_in():
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]["grao_ref"]
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert any(fnmatch(f"policies/tiny/{name}", pattern) for pattern in patterns)


def test_sympy_is_of_the_laboratory_alone():
    project = SETTINGS["project"]
    assert not any(each.startswith("sympy") for each in project["dependencies"])
    extras = project["optional-dependencies"]
    assert any(each.startswith("sympy") for each in extras["theory"])
    assert any("theory" in each for each in extras["dev"])


def test_the_lower_bounds_are_those_that_make_lowest_tests():
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    bounds = dict(each.split(">=") for each in SETTINGS["project"]["dependencies"])
    del bounds["torch"]  # see the file
    assert pins.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert pins[name] in (bound, f"{bound}.0", f"{bound}.0.0")
