"""Tables of every format as rows, by hand; what is refused; the split by prompt. Every row here is synthetic."""

import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.data.load import load_rows
from grao_ref.data.rows import FORMATS, Row, columns_of, register_format, rows_of, split_by_prompt
from grao_ref.plugins.importing import import_object

USER, ANSWER = {"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris."}
WRONG = {"role": "assistant", "content": "Lyon."}


def test_prompt_and_completion_as_text_or_messages_with_the_other_columns_kept():
    text = {"prompt": "2 + 2 =", "completion": " 4", "solution": "4", "level": 1}
    assert rows_of([text], "table") == [Row("2 + 2 =", " 4", columns={"solution": "4", "level": 1})]
    messages = {"prompt": [USER], "completion": [ANSWER]}
    assert rows_of([messages], "table") == [Row([USER], "Paris.")]


def test_preferences_with_a_prompt():
    row = Row([USER], "Paris.", "Lyon.")
    assert rows_of([{"prompt": [USER], "chosen": [ANSWER], "rejected": [WRONG]}], "table") == [row]
    assert rows_of([{"prompt": [USER], "chosen": "Paris.", "rejected": "Lyon."}], "table") == [row]


def test_preferences_without_a_prompt_share_all_messages_but_the_last():
    (row,) = rows_of([{"chosen": [USER, ANSWER], "rejected": [USER, WRONG], "score": 0.5}], "table")
    assert row == Row([USER], "Paris.", "Lyon.", {"score": 0.5})


def test_transcripts():
    start = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Capital of France?\n\nAssistant:"
    (row,) = rows_of([{"chosen": start + " Paris.", "rejected": start + " Lyon."}], "table")
    hi = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    assert row == Row([*hi, USER], "Paris.", "Lyon.")


def test_worked_answers():
    answer = "He has 600 + 600 = <<600+600=1200>>1200 cows.\n#### 1,200"
    (row,) = rows_of([{"question": "How many cows?", "answer": answer}], "table")
    prompt = [{"role": "user", "content": "How many cows?"}]
    columns = {"solution": "1200", "question": "How many cows?", "answer": answer}  # the last two as in TRL
    assert row == Row(prompt, "He has 600 + 600 = 1200 cows.\n#### 1,200", None, columns)


def test_a_column_that_some_rows_lack_is_none_there_so_that_columns_stay_aligned():
    table = [{"prompt": "a", "completion": "b", "level": 1}, {"prompt": "c", "completion": "d"}]
    assert [row.columns for row in rows_of(table, "table")] == [{"level": 1}, {"level": None}]


def test_odd_transcripts_are_left_out_and_named_and_the_rest_keeps_its_order():
    def pair(question, chosen="yes", rejected="no"):
        start = f"\n\nHuman: {question}\n\nAssistant: "
        return {"chosen": start + chosen, "rejected": start + rejected}

    table = [
        pair("a"),
        pair("b", chosen=" "),
        pair("c", rejected=""),
        {"chosen": pair("d")["chosen"], "rejected": pair("other")["rejected"]},
        {"chosen": "\n\nHuman: e", "rejected": "\n\nHuman: e"},
        pair("f", chosen="yes\n\nHuman: and?"),
        {"chosen": "\n\nAssistant: g", "rejected": "\n\nAssistant: h"},
        pair("z"),
    ]
    rows = rows_of(table, "table")
    assert [row.prompt[0]["content"] for row in rows] == ["a", "z"]
    assert rows.skipped == (
        "row 2: chosen ends in an empty answer",
        "row 3: rejected ends in an empty answer",
        "row 4: chosen and rejected differ before their last Assistant turn",
        "row 5: chosen has no Assistant turn",
        "row 6: chosen does not end in an Assistant turn",
        "row 7: no Human turn before the last Assistant turn",
    )
    with pytest.raises(ValueError, match=r"^table has no row that can be used; row 1: chosen ends in an empty answer$"):
        rows_of([table[1]], "table")


WORKED = [{"question": "a", "answer": "2 + 2 = 4\n#### 4"}, {"question": "b", "answer": "#### 5"}]
BAD = [
    ([], "table is empty: it has no rows"),
    ([{"prompt": "a", "completion": "b"}, {"prompt": "a"}], "row 2 of table: no column 'completion'"),
    ([{"prompt": " ", "completion": "b"}], "row 1 of table: prompt is empty"),
    ([{"prompt": [], "completion": "b"}], "row 1 of table: prompt is empty"),
    ([{"prompt": [{"role": "user", "content": ""}], "completion": "b"}], "row 1 of table: prompt is empty"),
    ([{"prompt": "a", "completion": "\n"}], "row 1 of table: completion is empty"),
    ([{"prompt": "a", "completion": 4}], "row 1 of table: completion must be text or a list of messages, got int"),
    ([{"prompt": None, "completion": "b"}], "row 1 of table: prompt must be text or a list of messages, got NoneType"),
    (
        [{"prompt": ["a"], "completion": "b"}],
        "row 1 of table: prompt must hold messages with a text for role and for content, got 'a'",
    ),
    (
        [{"prompt": "a", "completion": [ANSWER, ANSWER]}],
        "row 1 of table: completion must be text or one message of the assistant, "
        "got messages of: assistant, assistant",
    ),
    (
        [{"prompt": "a", "completion": [USER]}],
        "row 1 of table: completion must be text or one message of the assistant, got messages of: user",
    ),
    ([{"prompt": "a", "chosen": "b", "rejected": ""}], "row 1 of table: rejected is empty"),
    (
        [{"chosen": "a", "rejected": [USER, ANSWER]}],
        "row 1 of table: chosen and rejected must both be transcripts or both lists of messages",
    ),
    (
        [{"chosen": [USER, ANSWER], "rejected": [ANSWER, ANSWER]}],
        "row 1 of table: chosen and rejected must share all messages but the last",
    ),
    (
        [{"chosen": [ANSWER], "rejected": [WRONG]}],
        "row 1 of table: chosen and rejected must hold the prompt's messages before the answer, got one message each",
    ),
    ([{"question": "a", "answer": 4}], "row 1 of table: answer must be text, got int"),
    ([{"question": "", "answer": "#### 4"}], "row 1 of table: question is empty"),
    (
        [*WORKED, {"question": "a", "answer": "4"}],
        "row 3 of table: answer must end in its final number behind ####, which is missing",
    ),
    (
        [*WORKED, {"question": "a", "answer": "#### four"}],
        "row 3 of table: answer must end in its final number behind ####, got 'four'",
    ),
]


@pytest.mark.parametrize(("table", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_tables_are_named(table, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rows_of(table, "table")


PLUGIN = """
from grao_ref.data.rows import register_format

def parse(task, output):
    if not output:
        raise ValueError("output is empty")
    return [{"role": "user", "content": task}], output.strip(), None, {"length": len(output)}

register_format(["task", "output"], parse)
"""


@pytest.fixture
def formats(monkeypatch, tmp_path):
    """The formats, which are the same again after the test, and a folder for a user's plug-in."""
    before = list(FORMATS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    FORMATS[:] = before
    sys.modules.pop("users_format", None)


def test_a_plug_in_adds_a_format(formats):
    (formats / "users_format.py").write_text(PLUGIN)
    table = [{"task": "Hi", "output": " Hello.", "level": 1}, {"task": "Why?", "output": "So."}]
    (formats / "a.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in table))
    with pytest.raises(ValueError, match=r"has the columns task, output, level; expected one of: prompt \+ "):
        load_rows("a.jsonl")
    import_object("users_format.parse", "format")
    rows = load_rows("a.jsonl")
    assert rows[0] == Row([{"role": "user", "content": "Hi"}], "Hello.", None, {"length": 7, "level": 1})
    assert columns_of(rows) == {"length": [7, 3], "level": [1, None]}
    with pytest.raises(ValueError, match=r"^row 1 of table: output is empty$"):
        rows_of([{"task": "Hi", "output": ""}], "table")
    with pytest.raises(ValueError, match=r"expected one of: task \+ output; prompt \+ completion; "):
        rows_of([{"label": "a"}], "table")


@pytest.mark.usefixtures("formats")
def test_a_registered_format_comes_before_one_that_has_a_part_of_its_columns():
    table = [{"prompt": "a", "completion": "b", "gold": "c"}]
    register_format(("prompt", "completion", "gold"), lambda prompt, completion, gold: (prompt, gold, completion, {}))
    assert rows_of(table, "table") == [Row("a", "c", "b")]
    assert rows_of([{"prompt": "a", "completion": "b"}], "table") == [Row("a", "b")]


@pytest.mark.usefixtures("formats")
def test_a_format_that_is_taken_or_has_no_column_is_refused():
    register_format(("task", "gold"), lambda task, gold: (task, gold, None, {}))
    before = list(FORMATS)
    for columns in (["prompt", "completion"], ("completion", "prompt"), ("gold", "task")):
        message = f"^the format {re.escape(' + '.join(columns))} is taken; it can't be registered again$"
        with pytest.raises(ValueError, match=message):
            register_format(columns, lambda *values: values)
    for columns in ([], "prompt"):
        with pytest.raises(ValueError, match=r"^a format needs the names of its columns, got "):
            register_format(columns, lambda *values: values)
    assert before == FORMATS


def numbered(prompts) -> list[Row]:
    return [Row(prompt, "y", columns={"n": n}) for n, prompt in enumerate(prompts)]


texts = st.text("ab", max_size=2)
prompts = st.lists(st.one_of(texts, texts.map(lambda text: [{"role": "user", "content": text}])), max_size=30)


@given(prompts, st.floats(0, 1, exclude_max=True), st.integers(0, 9))
def test_a_split_loses_nothing_keeps_the_order_and_never_shares_a_prompt(prompts, share, seed):
    rows = numbered(prompts)
    different = [prompt for n, prompt in enumerate(prompts) if prompt not in prompts[:n]]
    if share and len(different) < 2:
        with pytest.raises(ValueError, match=f"^two different prompts .* got {len(different)}$"):
            split_by_prompt(rows, share=share, seed=seed)
        return
    train, held_out = split_by_prompt(rows, share=share, seed=seed)
    assert sorted([*train, *held_out], key=lambda row: row.columns["n"]) == rows
    for side in (train, held_out):
        assert [row.columns["n"] for row in side] == sorted(row.columns["n"] for row in side)
    assert not [row for row in train if row.prompt in [other.prompt for other in held_out]]
    count = sum(prompt in [row.prompt for row in held_out] for prompt in different)
    assert abs(count - share * len(different)) <= (1 if share > 0 else 0)
    assert (count > 0) == (share > 0)
    assert not share or count < len(different)


def test_a_split_depends_on_the_seed_and_not_on_the_order():
    rows = numbered(str(n) for n in range(100))
    sides = [{row.prompt for row in split_by_prompt(rows, share=0.2, seed=seed)[1]} for seed in (0, 0, 1)]
    assert sides[0] == sides[1] != sides[2]
    assert {row.prompt for row in split_by_prompt(rows[::-1], share=0.2, seed=0)[1]} == sides[0]
    assert [len(side) for side in sides] == [20, 20, 20]
    assert 10 < sum(int(prompt) < 50 for prompt in sides[0] | sides[2]) < 30  # from all over, not the first twenty


@pytest.mark.parametrize("share", [1, -0.1, float("nan")])
def test_a_share_that_is_none_is_named(share):
    with pytest.raises(ValueError, match=f"^share must be a number from 0 to below 1, got {share}$"):
        split_by_prompt(numbered("ab"), share=share, seed=0)
