"""What files may hold and no run can use: said as what it is, in one line, with the row where there is one."""

import builtins
import gzip
import json

import pytest

from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row, rows_of
from grao_ref.data.splits import alike, require_pairs
from grao_ref.data.values import DEEPEST
from grao_ref.train import main
from tests.command import refused
from tests.language import save_rows

ROW = '{"prompt": "a", "completion": "b"%s}\n'


def refusal(path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r".") as error:
        load_rows(str(path))
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize("opening", ["[", '{"a": '])
@pytest.mark.parametrize("depth", [101, 300, 900, 5_000, 100_000])
def test_lists_and_objects_that_are_nested_too_deeply(depth, opening, tmp_path):
    inner = "1" if opening == '{"a": ' else ""
    value = opening * depth + inner + ("]" if opening == "[" else "}") * depth
    line = refusal(tmp_path / "rows.jsonl", ROW % "" + ROW % f', "x": {value}')
    assert line in (
        f"row 2 of FILE: the column 'x' is nested more than {DEEPEST} levels deep; write it flatter",
        "FILE, line 2: lists and objects are nested too deeply; write them flatter",
    )


def test_control_a_column_may_be_as_deep_as_is_said(tmp_path):
    (tmp_path / "rows.jsonl").write_text(ROW % f', "x": {"[" * DEEPEST + "]" * DEEPEST}')
    assert len(load_rows(str(tmp_path / "rows.jsonl"))) == 1


def test_a_list_that_holds_itself_is_refused_as_too_deep():
    held: list = []
    held += [held, held, {"again": held}]
    with pytest.raises(ValueError, match="row 1 of rows: the column 'x' is nested more than"):
        rows_of([{"prompt": "a", "completion": "b", "x": held}], "rows")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('{"prompt": "\\ud800", "completion": "b"}', "the prompt has \\ud800 at position 0"),
        ('{"prompt": "a", "completion": "b\\udfff"}', "the reference has \\udfff at position 1"),
        ('{"prompt": "a", "chosen": "b", "rejected": "\\ud83d"}', "the rejected answer has \\ud83d"),
        (ROW % ', "x": "\\ud800"', "the column 'x' has \\ud800"),
        (ROW % ', "x": {"a": [1, {"b": "\\ud800"}]}', "the column 'x' has \\ud800"),
        (ROW % ', "x": {"\\ud800": 1}', "the column 'x' has \\ud800"),
        (
            '{"messages": [{"role": "\\ud800", "content": "u"}, {"role": "assistant", "content": "x"}]}',
            "the prompt has \\ud800",
        ),
    ],
)
def test_half_a_character_anywhere_in_a_row(row, what, tmp_path):
    line = refusal(tmp_path / "rows.jsonl", row.strip())
    assert line.startswith(f"row 1 of FILE: {what}")
    assert "half of a character" in line


def test_half_a_character_in_the_name_of_a_column(tmp_path):
    assert refusal(tmp_path / "rows.jsonl", ROW % ', "\\ud800": 1').startswith("the name of a column has \\ud800")
    with pytest.raises(ValueError, match="the name of a column must be text, got 1"):
        rows_of([{"prompt": "a", "completion": "b", 1: 2}], "rows")  # type: ignore[dict-item]


def test_control_whole_characters_and_zeros_and_numbers_of_every_kind_are_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    more = ', "x": "\\ud83d\\ude00 \\u0000", "nan": NaN, "big": 1' + "0" * 400 + ', "huge": 1e400'
    path.write_text('{"prompt": "a\\u0000", "completion": "\\ud83d\\ude00"' + more + "}")
    (row,) = load_rows(str(path))
    assert (row.prompt, row.reference, row.columns["x"]) == ("a\0", "\U0001f600", "\U0001f600 \0")
    assert row.columns["big"] == 10**400
    assert row.columns["huge"] == float("inf")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"prompt": "a", "prompt": "c", "completion": "b"}', "FILE, line 1: an object has the key 'prompt' twice"),
        (ROW % ', "x": {"y": 1, "y": 1}', "FILE, line 1: an object has the key 'y' twice"),
        (ROW % (', "x": 1' + "0" * 5000), "FILE, line 1: it has a whole number of more than 4,300 digits"),
    ],
)
def test_keys_that_stand_twice_and_numbers_without_end(text, expected, name, tmp_path):
    assert refusal(tmp_path / name, text).startswith(expected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.jsonl", ROW % ""),
        ("r.json", f"[{ROW % ''}]"),
        ("r.csv", "prompt,completion\na,b\n"),
        ("r.jsonl.gz", ROW % ""),
    ],
)
def test_another_encoding_is_named(name, text, encoding, tmp_path):
    content = text.encode(encoding)
    content = gzip.compress(content) if name.endswith(".gz") else content
    assert refusal(tmp_path / name, content) == "FILE is written in UTF-16 or UTF-32; save it as UTF-8"


def test_a_folder_with_a_file_s_name(tmp_path):
    pytest.importorskip("datasets", reason="needs the extra [hub]")
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(ValueError, match=r"The directory at .*rows\.jsonl doesn't contain any data files"):
        load_rows(str(tmp_path / "rows.jsonl"))


def test_a_list_for_a_row_no_rows_and_no_line_break_at_the_end(tmp_path):
    assert refusal(tmp_path / "one.jsonl", ROW % "" + "[1]\n") == "FILE, line 2: a row must be an object, got list"
    assert refusal(tmp_path / "none.jsonl", "") == "FILE is empty: it has no rows"
    (tmp_path / "end.jsonl").write_text((ROW % "").strip())  # without a line break
    assert len(load_rows(str(tmp_path / "end.jsonl"))) == 1


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [
        ("datasets", "some/data", "hub"),
        ("pyarrow", "rows.parquet", "hub"),
        ("reasoning_gym", "reasoning-gym:gcd", "reasoning"),
    ],
)
def test_a_package_that_is_there_and_broken_is_not_called_missing(package, name, extra, tmp_path, monkeypatch):
    real, error = builtins.__import__, [ImportError("libarrow.so.9: cannot open shared object file")]

    def failing(wanted, *arguments, **options):
        if wanted.partition(".")[0] == package:
            raise error[0]
        return real(wanted, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", failing)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.parquet").write_bytes(b"")

    def line() -> str:
        with pytest.raises(ValueError, match=r"grao_ref|package") as found:
            load_rows(name)
        return str(found.value)

    assert line().startswith(f"the package {package} is installed and can't be imported: ImportError: libarrow.so.9")
    error[0] = ModuleNotFoundError("No module named 'dill'", name="dill")  # a dependency of its own
    assert f"the package {package} is installed" in line()
    assert "'dill'" in line()
    error[0] = ModuleNotFoundError(f"No module named {package!r}", name=package)
    assert f"pip install 'grao_ref[{extra}]'" in line()  # control
    monkeypatch.undo()


def test_pairs_of_equal_answers_are_named_and_refused_where_there_are_no_others(tmp_path, capsys):
    same, other = Row("a", "b", "b", {}, 2), Row("a", "b", "c", {}, 1)
    assert alike([other, same, same], reader="dpo") == (
        "Note: 2 rows (the first: row 2) have the same chosen and rejected answer, which teach dpo nothing.",
    )
    assert alike([other], reader="dpo") == ()
    require_pairs([other, same], "rows", reader="dpo")
    with pytest.raises(ValueError, match="the same in every row of rows: dpo learns from their difference"):
        require_pairs([same], "rows", reader="dpo")
    rows = [{"prompt": f"{n}=", "chosen": f"{n}.", "rejected": f"{n}."} for n in range(20)]
    flags = ["--dataset-name", save_rows(tmp_path / "rows.jsonl", rows), "--max-steps", "1", "--max-eval-prompts", "2"]
    flags += ["--per-device-train-batch-size", "4", "--output-dir", tmp_path / "run"]
    assert "the same in every row of" in refused(main, [*flags, "--method", "dpo"], capsys)
    assert main([*map(str, flags), "--method", "sft"]) == 0  # control: it reads one of the two
    capsys.readouterr()
    mixed = save_rows(tmp_path / "mixed.jsonl", [*rows, {"prompt": "99=", "chosen": "1.", "rejected": "2."}] * 3)
    flags[1], flags[-1] = mixed, tmp_path / "mixed"
    assert main([*map(str, flags), "--method", "dpo"]) == 0
    assert "have the same chosen and rejected answer, which teach dpo nothing." in capsys.readouterr().out


def test_numbers_and_depth_are_checked_in_the_rows_of_a_notebook_too():
    row = json.loads("[" * 200 + "]" * 200)
    with pytest.raises(ValueError, match="row 2 of rows: the column 'x' is nested"):
        rows_of([{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "b", "x": row}], "rows")
