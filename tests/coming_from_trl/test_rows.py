"""The rows of the page and the scripts of this folder are the same set."""

from importlib import import_module
from pathlib import Path

from tests.coming_from_trl.page import PAGE, SCRIPTS, Row, differences, generated_rows, written_rows

for file in sorted(Path(__file__).parent.glob("test_*.py")):  # also where this file is run alone
    if file != Path(__file__):
        import_module(f"tests.coming_from_trl.{file.stem}")


def test_every_row_has_a_script_and_every_script_a_row():
    rows = written_rows() + generated_rows()
    assert len(rows) == len(set(rows)) > 100
    without_script, without_row = differences(rows, SCRIPTS)
    assert without_script == []
    assert without_row == []


def test_a_script_that_is_registered_is_one_that_pytest_runs():
    for script in SCRIPTS.values():
        module, _, name = script.rpartition(".")
        assert callable(getattr(import_module(module), name)), script
        assert Path(import_module(module).__file__).name.startswith("test_")


def test_a_new_row_a_lost_row_and_a_reworded_row_are_noticed():
    """Control: the page with a line more, a line less, another word."""
    line = "| `processing` | nowhere |\n"
    more = PAGE.replace("| `model`, a name |", line + "| `model`, a name |")
    found = written_rows(more)
    assert differences(found, written_rows())[0] == [Row("Arguments of a trainer", "processing", "nowhere")]
    less = "\n".join(line for line in PAGE.splitlines() if "`RLOOTrainer`" not in line)
    assert [row.name for row in differences(written_rows(less), written_rows())[1]] == ["RLOOTrainer"]
    other = PAGE.replace("a linear head on a frozen model", "a head on a model")
    assert [len(rows) for rows in differences(written_rows(other), written_rows())] == [1, 1]


def test_every_table_of_the_page_is_read():
    tables = {row.table for row in written_rows()}
    assert len(tables) == PAGE.count("\n| :---") == 8
