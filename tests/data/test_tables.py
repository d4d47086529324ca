"""Files of every kind as tables: what stands in them, the numbers of their rows, and what is said of broken ones."""

import csv
import gzip
import io
import json
import re
import sys

import pytest

from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row
from grao_ref.data.tables import ENDINGS, SUFFIXES, read_table

TABLE = [{"prompt": f"{n} + 1 =", "completion": f" {n + 1}"} for n in range(5)]
ROWS = [Row(f"{n} + 1 =", f" {n + 1}") for n in range(5)]
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # the byte order mark, where it is the first character


def lines(entries=TABLE) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def commas(entries=TABLE, delimiter=",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(entries[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(entries)
    return text.getvalue()


TEXTS = {
    ".jsonl": lines(),
    ".json": json.dumps(TABLE, indent=1),
    ".csv": commas(),
    ".tsv": commas(delimiter="\t"),
}


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("mark", ["", MARK])
def test_every_kind_of_text_file_gives_the_same_rows_with_and_without_a_byte_order_mark(suffix, mark, tmp_path):
    plain, packed, loud = (tmp_path / name for name in (f"a{suffix}", f"a{suffix}.gz", f"A{suffix.upper()}"))
    for path in (plain, loud):
        path.write_text(mark + TEXTS[suffix], encoding="utf-8", newline="")
    packed.write_bytes(gzip.compress((mark + TEXTS[suffix]).encode()))
    for path in (plain, packed, loud):
        assert load_rows(str(path)) == ROWS
        assert [row.number for row in load_rows(str(path))] == [1, 2, 3, 4, 5]


def test_the_kinds_that_are_named_are_those_that_are_read():
    assert {suffix.removesuffix(".gz") for suffix in SUFFIXES} == set(re.findall(r"\.(?!gz)\w+", ENDINGS))


@pytest.mark.parametrize(
    "text",
    [
        lines(),
        lines().rstrip(),
        "".join(json.dumps(entry, indent=2) + "\n" for entry in TABLE),  # as jq writes it
        json.dumps({"data": TABLE}),
        json.dumps({"rows": TABLE}, indent=1),
    ],
    ids=["lines", "lines without a last break", "objects over several lines", "data", "rows"],
)
def test_json_may_be_lines_or_one_object_around_its_list(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert load_rows(str(path)) == ROWS


def test_a_list_is_read_whatever_its_file_is_called(tmp_path):
    path = tmp_path / "a.jsonl"
    for text in (json.dumps(TABLE), "\n" + json.dumps(TABLE, indent=1)):
        path.write_text(text)
        assert load_rows(str(path)) == ROWS
    path.write_text("\n[{]")
    with pytest.raises(ValueError, match=rf"^{path}, line 2: broken JSON "):
        load_rows(str(path))


def test_one_conversation_is_not_taken_for_a_list_of_rows(tmp_path):
    path = tmp_path / "a.json"
    for turns in ([{"role": "user", "content": "a"}], [{"from": "human", "value": "a"}]):
        path.write_text(json.dumps({"messages": turns}))
        message = (
            f"{path} must hold a list of objects, or an object on each line, got one object with the keys messages"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            load_rows(str(path))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"prompt": ["a", "b"], "completion": ["c", "d"]}', "one object with the keys prompt, completion"),
        ('{"train": [{"prompt": "a"}], "test": [{"prompt": "b"}]}', "one object with the keys train, test"),
        ("4", "int"),
        ("null", "NoneType"),
    ],
)
def test_json_of_another_shape_is_refused_with_what_it_holds(text, found, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    message = f"{path} must hold a list of objects, or an object on each line, got {found}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_rows(str(path))


@pytest.mark.parametrize(("text", "line"), [('{"a": 1}\n\n{"a": 2\n{"a": 3}', 4), ('{"a": 1} x', 1), ('\n\n{"a"}', 3)])
def test_broken_json_in_lines_is_named_with_its_line(text, line, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}, line {line}: broken JSON \("):
        load_rows(str(path))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("value", ["[" * 100_000, '{"prompt": ' + "9" * 5000 + "}"])
def test_json_that_python_can_t_hold_is_one_line(name, value, tmp_path):
    path = tmp_path / name
    path.write_text(value)
    words = "it has a whole number" if "9" in value else "lists and objects are nested too deeply"
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}, line 1: {words}[^\n]*$"):
        load_rows(str(path))


def test_the_numbers_of_rows_are_those_that_an_editor_or_a_table_shows(tmp_path):
    """Blank lines of JSON lines count; the header of a CSV file does not, nor does a line break inside a value."""

    def numbers(name: str, text: str) -> list[int]:
        (tmp_path / name).write_text(text, newline="")
        return [row.number for row in load_rows(str(tmp_path / name))]

    first, *others = lines().splitlines()
    assert numbers("a.jsonl", "\n".join([first, "", "  ", *others])) == [1, 4, 5, 6, 7]
    assert numbers("a.json", "\n".join([first, "", *others])) == [1, 3, 4, 5, 6]
    assert numbers("b.json", json.dumps(TABLE, indent=4)) == [1, 2, 3, 4, 5]
    assert numbers("a.csv", 'prompt,completion\n"a\nb",c\n\nd,e\n') == [1, 2]


def test_values_of_a_csv_file_may_hold_what_parts_them(tmp_path):
    path = tmp_path / "a.csv"
    entries = [
        {"prompt": 'Say "a, b;\tc"\r\nand d:', "completion": "a, b"},
        {"prompt": "é", "completion": "x" * 200_000},
    ]
    for delimiter in ",;\t":
        path.write_text(commas(entries, delimiter), newline="", encoding="utf-8")
        assert load_rows(str(path)) == [Row(entry["prompt"], entry["completion"]) for entry in entries]
    assert csv.field_size_limit() == 131_072  # as it was


def test_blanks_behind_the_commas_of_a_header_are_no_part_of_its_names(tmp_path):
    (tmp_path / "a.csv").write_text("prompt, completion\nhello:, b\n")
    assert load_rows(str(tmp_path / "a.csv")) == [Row("hello:", " b")]  # those of the values are


def test_values_of_a_csv_file_are_text(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,completion,level\n1,2,3\n")
    assert load_rows(str(tmp_path / "a.csv")) == [Row("1", "2", columns={"level": "3"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "prompt,completion\na,b\nHello, you,b\n",
            "row 2 of {} (it ends in line 3) has 3 values, and the header has 2 names; a value that holds the "
            "delimiter or a line break must stand in double quotes",
        ),
        (
            'prompt,completion\n"a\nb",c\nd\n',
            "row 2 of {} (it ends in line 4) has 1 values, and the header has 2 names; a value that holds the "
            "delimiter or a line break must stand in double quotes",
        ),
        ('prompt,completion\n"a"b,c\n', "{}, line 2: broken CSV (',' expected after '\"')"),
        ('prompt,completion\n"a,c\n', "{}, line 2: broken CSV (unexpected end of data)"),
        ("prompt,prompt\na,b\n", "{} has the column 'prompt' twice in its header"),
        (
            '"prompt", "completion"\n"a", "b"\n',
            '{} has a blank in front of the quotes of "completion" in its header: remove such blanks',
        ),
        ('[{"prompt": "a"}]', "{} begins as JSON and not as a header: name it .jsonl or .json"),
        ('{"prompt": "a"}\n', "{} begins as JSON and not as a header: name it .jsonl or .json"),
        ("prompt,completion\n", "{} is empty: it has no rows"),
        ("", "{} is empty: it has no rows"),
    ],
)
def test_broken_csv_is_named_with_the_row_or_the_line(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{re.escape(message.format(path))}$"):
        load_rows(str(path))


@pytest.mark.parametrize("suffix", TEXTS)
def test_text_that_is_not_utf_8_is_refused_with_what_to_do(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(TEXTS[suffix].replace("=", "é").encode("latin-1") + "é".encode("latin-1"))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))} can't be read: 'utf-8' .*; save it as UTF-8$"):
        load_rows(str(path))


def test_parquet_with_nested_messages(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra hub is not installed")
    from pyarrow import parquet

    talk = [[{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}"}] for n in range(3)]
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"messages": talk, "level": [1, None, 3]}), path)
    rows = load_rows(str(path))
    assert rows == [
        Row(turns[:1], turns[1]["content"], columns={"level": n}) for turns, n in zip(talk, (1, None, 3), strict=True)
    ]
    assert [row.number for row in rows] == [1, 2, 3]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))} can't be read: [^\n]*$"):
        load_rows(str(path))


def test_parquet_without_its_package_is_refused_with_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = f"reading {tmp_path}/a.parquet needs the package datasets: pip install 'grao_ref[hub]'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_rows(str(tmp_path / "a.parquet"))


def test_two_tables_are_one_behind_the_other(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text("\n" + lines(TABLE[:2]))
    both = read_table(tmp_path / "a.jsonl") + read_table(tmp_path / "b.jsonl")
    assert both.entries == TABLE[:2] * 2
    assert both.numbers == [2, 3, 2, 3]
    assert [file[-7:] for file in both.files] == ["a.jsonl", "a.jsonl", "b.jsonl", "b.jsonl"]
