"""The page *What it survives*: its tests exist, its codes are the package's, its table is the suite's."""

import ast
import json
import re
from pathlib import Path

from tests.faults.__main__ import PARTS
from tests.faults.outcomes import BAD, GOOD, SKIPPED
from tests.faults.signals import CODES
from tests.faults.table import RECORD
from tutorials import faults

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "tutorials" / "pages" / "what_it_survives.md").read_text()
IDS = [*(f"A{n}" for n in range(1, 12)), *(f"B{n}" for n in range(1, 10)), *(f"C{n}" for n in range(1, 14))]
IDS += [*(f"D{n}" for n in range(1, 11)), *(f"E{n}" for n in range(1, 8)), *(f"F{n}" for n in range(1, 10))]


def rows() -> list[list[str]]:
    """The cells of the table of known failures."""
    table = PAGE.partition("## Known failures of this field")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def exists(name: str) -> bool:
    """Whether file::test is a function at the top of that file."""
    file, _, function = name.partition("::")
    path = TESTS / file
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text())
    return function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_known_failure_has_a_test_that_exists():
    assert [row[0] for row in rows()] == IDS
    for number, _, _, tests in rows():
        names = re.findall(r"`([^`]+)`", tests)
        assert names, f"{number} has no test"
        assert [name for name in names if not exists(name)] == [], number


def test_control_a_test_that_does_not_exist_is_seen():
    assert not exists("faults/test_page.py::test_nothing")
    assert not exists("faults/test_nothing.py::test_every_known_failure_has_a_test_that_exists")
    assert exists("faults/test_page.py::test_every_known_failure_has_a_test_that_exists")


def test_files_and_commands_that_the_page_names_exist():
    for name in re.findall(r"`(tests/[\w/.]+)`", PAGE):
        assert (TESTS.parent / name).exists()
    assert "\nfaults:" in (TESTS.parent / "Makefile").read_text()
    assert all(str(code) in PAGE for code in CODES.values())


def test_the_record_is_of_every_part_and_the_page_has_a_name_for_each():
    assert faults.PARTS.keys() == set(PARTS)
    parts = json.loads(RECORD.read_text())["parts"]
    assert parts.keys() == set(PARTS)
    for part in parts.values():
        assert part["machine"]["versions"]["grao_ref"]
        for row in part["rows"]:
            assert set(row["seen"]) <= {*GOOD, *BAD, SKIPPED}
            assert row["tried"] == row["kept"] + row["bad"]
            assert row["seen"].get("exact", 0) <= row["kept"]
