"""The tables of the page *Coming from TRL*, and the register of the scripts that prove their rows.

A script names its row by the first cell and repeats what the row says, both without backticks. So a row that is added,
removed or reworded fails `test_rows.py` until its script has been looked at.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from grao_ref.settings import trl_words

PAGE = (Path(__file__).parents[2] / "tutorials" / "pages" / "coming_from_trl.md").read_text()
BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r"^(?:## (.+)|\*\*([^*]+)\.\*\*.*)$")
WIDE = ("Data columns",)  # tables whose first two cells are the row's name
Function = TypeVar("Function", bound=Callable[..., None])


class Row(NamedTuple):
    """A row of a table: what it is about, and what it says of it."""

    table: str
    name: str
    says: str


SCRIPTS: dict[Row, str] = {}  # row -> the script that proves it


def scripts_of(table: str) -> Callable[[str, str], Callable[[Function], Function]]:
    """A decorator `row(name, says)` for the scripts of one table."""

    def row(name: str, says: str = "") -> Callable[[Function], Function]:
        def register(function: Function) -> Function:
            assert function.__name__.startswith("test_"), function.__name__
            known = SCRIPTS.setdefault(Row(table, name, says), f"{function.__module__}.{function.__name__}")
            assert known == f"{function.__module__}.{function.__name__}", f"{name} has two scripts"
            return function

        return register

    return row


def written_rows(page: str = PAGE) -> list[Row]:
    """Every row of the tables that are written on the page. A table has the title that stands before it."""
    rows, title, body = [], "", False
    for line in BLOCK.sub("", page).splitlines():
        if found := TITLE.match(line):
            title = found[1] or found[2]
        if not line.startswith("|"):
            body = False
        elif line.startswith("| :---"):
            body = True
        elif body:
            cells = [cell.strip() for cell in line.replace("`", "").strip()[1:-1].split("|")]
            count = 2 if title in WIDE else 1
            rows.append(Row(title, " | ".join(cells[:count]), " | ".join(cells[count:])))
    return rows


def generated_rows() -> list[Row]:
    """Every row of the tables that the page makes of the command's own words."""
    tables = {
        "ARGUMENTS": trl_words.ARGUMENTS.items(),
        "INSTEAD": trl_words.INSTEAD.items(),
        "NOT_HERE": ((why, "") for why in trl_words.NOT_HERE),  # its names are proved by test_words.py
        "VALUES": trl_words.VALUES.items(),
    }
    return [Row(name, about, text.replace("`", "")) for name, table in tables.items() for about, text in table]


def differences(rows: Iterable[Row], scripts: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Rows without a script, and scripts without a row."""
    rows, scripts = list(rows), list(scripts)
    return [row for row in rows if row not in scripts], [row for row in scripts if row not in rows]
