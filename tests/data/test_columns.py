"""Columns under other names, in the layouts that need it, and what is said of names that lead nowhere."""

import re

import pytest

from grao_ref.data.columns import renames
from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row, rows_of

DOLLY = [{"instruction": f"Why {n}?", "context": "c" * n, "response": f"So {n}.", "category": "open"} for n in range(3)]


def read(*column: str, entries=DOLLY):
    return rows_of(entries, "table", column=column)


def test_dolly_in_two_ways():
    asked = [{"role": "user", "content": "Why 1?\n\nc"}]
    rows = read("output=response", "input=context")
    kept = {"instruction": "Why 1?", "output": "So 1.", "input": "c", "category": "open"}
    assert (rows[1], rows[1].number) == (Row(asked, "So 1.", None, kept), 2)
    rest = {"context": "c", "category": "open"}
    assert read("prompt=instruction", "completion=response")[1] == Row("Why 1?", "So 1.", None, rest)


def test_settings_may_stand_behind_commas_and_values_may_have_them():
    assert read("prompt=instruction,completion=response") == read("prompt=instruction", "completion=response")
    assert renames(["prompt = a, b"]) == {"prompt": "a, b"}  # a column whose name has one
    assert renames([]) == {}


def test_one_column_may_get_two_names_and_two_columns_may_change_theirs():
    entries = [{"q": "a", "answer": "4"}]
    row = read("prompt=q", "completion=answer", "solution=answer", entries=entries)[0]
    assert row == Row("a", "4", None, {"solution": "4"})
    swapped = read("prompt=completion", "completion=prompt", entries=[{"prompt": "a", "completion": "b"}])
    assert swapped == [Row("b", "a")]


def test_a_column_that_some_rows_lack_is_missed_there():
    entries = [{"q": "a", "completion": "b"}, {"completion": "c"}]
    with pytest.raises(ValueError, match=r"^row 2 of table: no column 'prompt'$"):
        read("prompt=q", entries=entries)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            ["prompt=instuction"],
            "column prompt=instuction: table has no column 'instuction'; did you mean instruction?",
        ),
        (
            ["prompt=xyz"],
            "column prompt=xyz: table has no column 'xyz'; it has instruction, context, response, category",
        ),
        (["prompt"], "column is NAME=COLUMN, such as prompt=question, got 'prompt'"),
        (["prompt="], "column is NAME=COLUMN, such as prompt=question, got 'prompt='"),
        (["=a"], "column is NAME=COLUMN, such as prompt=question, got '=a'"),
        (
            ["prompt=instruction", "prompt=context"],
            "column gives the name 'prompt' twice: to 'instruction' and to 'context'",
        ),
        (
            ["context=response"],
            "column context=response: table has a column 'context' already; give it another name as well: "
            "--column context=response other_context=context",
        ),
    ],
)
def test_a_name_that_leads_nowhere_or_is_taken_is_refused(column, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(*column)
    if "--column" in message:  # what it says is done
        with pytest.raises(ValueError, match="expected one of"):
            read(*message.partition("--column ")[2].split())


@pytest.mark.parametrize("name", ["sorting", "reasoning-gym:gcd"])
def test_data_that_are_made_here_have_no_columns_to_rename(name):
    message = f"column gives the columns of a table other names, and {name} is made here and has no table"
    with pytest.raises(ValueError, match=f"^{message}$"):
        load_rows(name, column=["prompt=question"])
