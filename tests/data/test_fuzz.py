"""Whatever stands in a file: it is read, or refused in one line that names the file, and nothing else is raised."""

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.data.formats import FORMATS, IN_PROMPTS
from grao_ref.data.load import load_rows
from grao_ref.data.rows import rows_of, split_by_prompt
from grao_ref.text.messages import SPEAKERS

NAMES = sorted({name for form in FORMATS for name in (*form.columns, *form.optional)} | {*IN_PROMPTS, "solution", ""})
ROLES = [*SPEAKERS, "tool", "", "\ud800", "ASSISTANT"]
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", " ", "\0", "\ud800", "a\udfff", "\ufeff", "\u2028", "#### 7", "####", "\n\nHuman: a\n\nAssistant: b",
         "\n\nAssistant:", "[{'role': 'user', 'content': 'a'}]", "a,b\n", '"']
    ),
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.none(), st.sampled_from([10**400, -(10**20), 1e308, -0.0])
)


def values(leaves: st.SearchStrategy) -> st.SearchStrategy:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=6,
    )


ANY = values(TEXTS | NUMBERS)
PARTS = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["text", "image", None]), "text": ANY, "image": ANY}
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(ROLES) | ANY,
            "content": TEXTS | st.lists(PARTS | ANY, max_size=2) | ANY,
            "from": st.sampled_from(ROLES) | ANY,
            "value": TEXTS | ANY,
            "tool_calls": ANY,
        },
    )
    | ANY,
    max_size=4,
)
SOUND = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(ROLES[:4]), TEXTS),
    min_size=1,
    max_size=4,
)
CELLS = TEXTS | MESSAGES | SOUND | ANY
ROWS = st.dictionaries(st.sampled_from(NAMES) | TEXTS, CELLS, max_size=4) | ANY


@st.composite
def tables(draw: st.DrawFn) -> list:
    """Rows with the columns of one format, each with any values, and some that are anything at all."""
    form = draw(st.sampled_from(FORMATS))
    columns = dict.fromkeys(form.columns, CELLS)
    optional = dict.fromkeys((*form.optional, "solution", "images"), CELLS)
    fitting = st.fixed_dictionaries(columns, optional=optional)
    return draw(st.lists(st.one_of(fitting, fitting, fitting, ROWS), max_size=4))


def require_words(error: ValueError) -> None:
    """It is the package's own, and can be printed; the command makes one line of it, whatever names stand in it."""
    assert str(error).strip()
    assert not isinstance(error, UnicodeError)
    str(error).encode()


def read_or_refused(name: str, content: bytes, column: tuple[str, ...] = ()) -> int | None:
    """How many rows are read, or None."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            rows = load_rows(str(path), column=column)
        except ValueError as error:
            return require_words(error)
    for row in rows:
        json.dumps([row.prompt, row.reference, row.rejected, row.columns]).encode()
        for text in (row.reference, row.rejected):
            assert text is None or text.strip()
        assert row.prompt == "" or row.prompt
    split_by_prompt(rows, share=0.0, seed=0)
    return len(rows)


@given(tables())
def test_any_rows_of_any_columns(table):
    lines = "\n".join(json.dumps(row) for row in table)
    found = read_or_refused("rows.jsonl", lines.encode())
    if all(isinstance(row, dict) for row in table) and len(table) > 1:
        assert read_or_refused("rows.json", json.dumps(table).encode()) == found
    read_or_refused("rows.jsonl.gz", gzip.compress(lines.encode()))


@given(tables(), st.lists(st.sampled_from(["prompt=question", "completion=x", "a=", "=", "prompt=", "", "a=b,c=d"])))
def test_any_renaming_of_any_rows(table, column):
    read_or_refused("rows.jsonl", "\n".join(json.dumps(row) for row in table).encode(), tuple(column))


BEGINNINGS = ["", "\ufeff", '{"prompt": "a", "completion": "b"}\n', "prompt,completion\n", "[", "{", "\x1f\x8b", "PAR1"]


@given(
    st.sampled_from(["r.jsonl", "r.json", "r.csv", "r.tsv", "r.jsonl.gz", "r.csv.gz", "r.parquet", "r.txt", "r.arrow"]),
    st.sampled_from(BEGINNINGS),
    st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([None, "utf-16", "utf-32"]),
)
def test_any_bytes_under_any_suffix(name, beginning, content, encoding):
    read_or_refused(name, beginning.encode(encoding or "utf-8") + content)


@given(st.text(max_size=30), st.integers(0, 60), st.integers(0, 255), st.booleans())
def test_a_byte_of_a_sound_file_that_is_another_or_cut_off(words, place, byte, cut):
    rows = [{"prompt": f"p {words}", "chosen": "good", "rejected": "bad", "x": {"y": [1, 2.5, None]}}] * 3
    content = bytearray("\n".join(map(json.dumps, rows)).encode())
    content[place % len(content)] = byte
    read_or_refused("rows.jsonl", bytes(content[: place if cut else None]))


@given(
    st.lists(st.lists(TEXTS.filter(lambda text: text.isprintable()), max_size=3), max_size=4), st.sampled_from(",;\t|")
)
def test_any_table_of_texts(table, mark):
    lines = "\n".join(mark.join(row) for row in [["prompt", "completion"], *table])
    read_or_refused("rows.csv", lines.encode("utf-8", "replace"))


@given(
    st.text(max_size=12)
    | st.sampled_from(
        ["~nobody/x", "~nobody/x.jsonl", "a\0", "a\0.jsonl", "/dev/null", "hh", "x" * 5000, "x" * 5000 + ".jsonl"]
    )
)
def test_any_name_of_a_data_set(name):
    if (name.count("/") == 1 and name[0] not in "./~") or Path(name.replace("\0", "")[:99]).is_dir():
        return  # an id on the hub, which is asked; a folder, all of which is looked through
    with pytest.raises(ValueError, match=r".") as error:
        load_rows(name)
    assert not isinstance(error.value, UnicodeError)


@given(tables(), st.sampled_from([float("nan"), {1: 2}, {"a"}, b"x", 1j, object()]))
def test_any_objects_of_a_notebook(table, odd):
    """Rows of `finetune`, which no file has checked: keys that are no text, values of any type."""
    rows = [
        dict(row) | {"x": odd} | ({1: odd} if n % 3 == 2 else {})
        for n, row in enumerate(table)
        if isinstance(row, dict)
    ]
    try:
        rows_of(rows, "rows")
    except ValueError as error:
        require_words(error)


def test_a_role_of_half_a_character_is_named_in_words_that_can_be_printed():
    with pytest.raises(ValueError, match=r"its roles: \\ud800, b\)") as refused:
        rows_of([{"conversation": [{"role": "\ud800", "content": ""}, {"role": "b", "content": ""}]}], "rows")
    require_words(refused.value)
