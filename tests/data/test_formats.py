"""Which layout a table has: those in which data sets are published, what decides between them, what is refused."""

import json
import re

import pytest

from grao_ref.data.formats import FORMATS, format_of
from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row, columns_of, rows_of
from tests.data.layouts import (
    LAYOUTS,
    alpaca,
    assistant,
    messages,
    orca,
    prompts,
    prompts_beside_others,
    questions,
    sharegpt,
    table,
    transcripts,
    ultrafeedback,
    user,
    worked,
)


def parts_of(row: Row):
    return row.prompt, row.reference, row.rejected


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_is_read_from_a_file_as_its_rows(layout, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in table(layout)))
    rows = load_rows(str(file))
    assert [parts_of(row) for row in rows] == [parts_of(layout(n)[1]) for n in range(4)]
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert rows.skipped == ()


def test_no_format_is_there_that_no_layout_has():
    used = set()
    for layout in LAYOUTS:
        entries = table(layout)
        used.add(str(format_of(list(entries[0]), entries, "table")))
    assert used == {str(form) for form in FORMATS if form.listed}


def test_question_and_answer_is_gsm8k_only_where_most_answers_end_in_a_marked_number():
    mixed = table(worked, 3) + table(questions, 2)
    with pytest.raises(ValueError, match=r"^row 4 of table: answer must end in its final number behind ####, which is"):
        rows_of(mixed, "table")
    plain = rows_of(table(worked, 2) + table(questions, 3), "table")
    assert plain[0].reference == worked(0)[0]["answer"]  # as it stands, and no solution
    assert "solution" not in plain[0].columns
    assert "solution" in rows_of(table(worked, 2), "table")[0].columns


def test_a_column_prompt_is_the_prompt_whatever_else_the_table_has():
    assert rows_of(table(prompts_beside_others), "table")[0].reference is None
    without = [{"question": entry["question"], "answer": entry["answer"]} for entry in table(prompts_beside_others)]
    assert rows_of(without, "table")[0].reference == "1"  # control: its other columns are a format
    text = [{"prompt": "a", "text": "b"}]
    assert parts_of(rows_of(text, "table")[0]) == ("a", None, None)


def test_a_prompt_with_one_answer_of_a_pair_is_no_prompt_alone():
    with pytest.raises(ValueError, match=r"^table has the columns prompt, chosen; expected one of: "):
        rows_of([{"prompt": "a", "chosen": "b"}], "table")


def test_texts_without_marks_hold_no_prompt_and_the_column_that_may_be_it_is_named():
    entries = [{"input": "Why?", "chosen": "So.", "rejected": "No."}]
    with pytest.raises(ValueError, match=r"`--column prompt=input` reads it as prompt \+ chosen \+ rejected$"):
        rows_of(entries, "table")
    assert parts_of(rows_of(entries, "table", column=["prompt=input"])[0]) == ("Why?", "So.", "No.")
    assert rows_of(table(transcripts), "table")  # control: texts with marks hold it


def test_reward_functions_may_ask_for_the_columns_that_are_no_name_of_trl_s():
    def names(layout):
        return set(columns_of(rows_of(table(layout), "table")))

    assert names(prompts) == {"solution"}
    assert names(prompts_beside_others) == {"question", "answer"}
    assert names(questions) == {"question", "answer"}
    assert names(worked) == {"question", "answer", "solution"}
    assert names(orca) == {"system", "question"}
    assert names(alpaca) == {"instruction", "input", "output", "text"}
    assert names(sharegpt) == {"source"}
    assert names(messages) == {"prompt", "prompt_id"}
    assert names(ultrafeedback) == {"messages", "score_chosen"}


REFUSED = [
    ([{"sentence": "a", "label": 1}], "`--column prompt=NAME completion=NAME` says which column is which"),
    ([{"query": "a", "response": "b"}], "`--column prompt=query completion=response` reads it as prompt + completion"),
    (
        [{"instruction": "a", "context": "b", "response": "c", "category": "d"}],  # Dolly
        "`--column output=response input=context` reads it as instruction + output (Alpaca)",
    ),
    (
        [{"id": 1, "system_prompt": "a", "question": "b", "response": "c"}],  # OpenOrca
        "`--column answer=response system=system_prompt` reads it as question + answer",
    ),
    ([{"problem": "a", "level": 3}], "`--column prompt=problem` reads it as prompt (no reference)"),
    ([{"promt": "a", "completion": "b"}], "`--column prompt=promt` reads it as prompt + completion"),
    ([{"chat": [user("a"), assistant("b")]}], "`--column messages=chat` reads it as messages"),
]


@pytest.mark.parametrize(("entries", "advice"), REFUSED, ids=[advice for _, advice in REFUSED])
def test_what_has_no_format_is_refused_with_what_was_found_what_can_be_read_and_the_renaming(entries, advice):
    message = (
        f"table has the columns {', '.join(entries[0])}; expected one of: prompt + completion; prompt + chosen + "
        "rejected; question + chosen + rejected (Orca); chosen + rejected (conversations or HH's transcripts); "
        "messages; conversations (ShareGPT); conversation; prompt (no reference); question + answer (GSM8K); "
        f"question + answer; instruction + output (Alpaca); text (whole texts). {advice}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rows_of(entries, "table")
    if "NAME" not in advice:  # what it says is true
        (column,) = re.findall("--column (.*)`", advice)
        assert len(rows_of(entries, "table", column=column.split())) == 1


def test_labels_of_good_and_bad_completions_are_refused_and_other_labels_are_a_column():
    entries = [{"prompt": "a", "completion": "b", "label": True}, {"prompt": "a", "completion": "c", "label": False}]
    with pytest.raises(ValueError, match=r"^row 1 of table: label is true for good completions and false for bad ones"):
        rows_of(entries, "table")
    assert rows_of(entries, "table", column=["kind=label"])[1].columns == {"kind": False}
    numbers = [entry | {"label": 3} for entry in entries]
    assert rows_of(numbers, "table")[0].columns == {"label": 3}


def test_labels_of_an_answer_s_steps_are_refused():
    entry = {"prompt": "a", "completions": ["b", "c"], "labels": [True, False]}
    with pytest.raises(ValueError, match=r"^row 1 of table: labels are of an answer's steps, .* a column completion"):
        rows_of([entry], "table")
    assert rows_of([{"prompt": "a", "completion": "bc"}], "table")[0].reference == "bc"  # what it says to do


@pytest.mark.parametrize("name", ["image", "images", "tools", "chat_template_kwargs"])
def test_columns_that_are_part_of_the_prompt_in_trl_are_not_left_out_without_a_word(name):
    entries = [entry | {name: value} for entry, value in zip(table(messages), (None, [], "", ["x"]), strict=True)]
    message = (
        f"row 4 of table: the column {name!r} is part of the prompt in TRL, and only text can be read here; "
        f"--column other_{name}={name} leaves it out of the prompt"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rows_of(entries, "table")
    assert len(rows_of(entries[:3], "table")) == 3  # control: no row has one
    assert rows_of(entries, "table", column=[f"other_{name}={name}"])[3].columns[f"other_{name}"] == ["x"]


ODD = [
    ("messages", {"messages": []}, "the conversation has no turn of the assistant (its roles: none)"),
    (
        "messages",
        {"messages": [{"role": "Human", "content": "a"}, {"role": "GPT", "content": "b"}]},
        "the conversation has no turn of the assistant (its roles: Human, GPT)",
    ),
    ("messages", {"messages": [user("a")]}, "the conversation has no turn of the assistant (its roles: user)"),
    ("messages", {"messages": [assistant("a")]}, "the conversation has nothing before the assistant's last turn"),
    ("messages", {"messages": [user("a"), assistant(" ")]}, "the assistant's last turn is empty"),
    ("alpaca", {"instruction": "a", "input": "", "output": ""}, "output is empty"),
    ("questions", {"question": "a", "answer": "\n"}, "answer is empty"),
    ("whole_texts", {"text": " ", "label": 0}, "text is empty"),
    (
        "ultrafeedback",
        {"prompt": "a", "chosen": [user("a"), assistant("b")], "rejected": [user("a"), assistant("")]},
        "the last message of rejected is empty",
    ),
]


@pytest.mark.parametrize(("name", "entry", "reason"), ODD, ids=[f"{name}: {reason}" for name, _, reason in ODD])
def test_a_row_of_published_data_without_an_answer_is_left_out_and_named(name, entry, reason):
    (layout,) = (layout for layout in LAYOUTS if layout.__name__ == name)
    good = table(layout)
    rows = rows_of([good[0], entry, *good[1:]], "table")
    assert [row.number for row in rows] == [1, 3, 4, 5]
    assert rows.skipped == (f"row 2: {reason}",)
    with pytest.raises(ValueError, match=f"^table has no row that can be used; row 1: {re.escape(reason)}$"):
        rows_of([entry], "table")


def test_turns_behind_the_last_of_the_assistant_are_dropped():
    talk = [user("a"), assistant("b"), user("c"), assistant("d")]
    (row,) = rows_of([{"messages": [*talk, user("Thanks!")]}], "table")
    assert (row.prompt, row.reference) == (talk[:3], "d")


BROKEN = [
    ({"messages": "[{'role': 'user'}]"}, "the conversation must be a list of messages, got str"),
    (
        {"messages": [user("a"), {"role": "assistant", "content": None, "tool_calls": [{"function": "f"}]}]},
        "the conversation has a message with tool_calls, and calls of tools can't be trained on here",
    ),
    (
        {"messages": [user("a"), {"role": "assistant", "content": None}]},
        "the conversation must hold messages with a text for role and for content, got {'role': 'assistant', "
        "'content': None}",
    ),
    (
        {"prompt": [{"role": "user", "content": [{"type": "image", "image": "x.png"}]}], "completion": "b"},
        "prompt has a part of the type 'image' in a message, and only text can be trained on here",
    ),
    (
        {"prompt": [{"role": "user", "content": ["a"]}], "completion": "b"},
        "prompt has a part of the type 'str' in a message, and only text can be trained on here",
    ),
    (
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": 4}]}], "completion": "b"},
        "prompt has a part of the type 'text' without a text, got {'type': 'text', 'text': 4}",
    ),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "f()"}]},
        "the conversation has a message from 'function_call'; known are human, user, gpt, assistant, chatgpt, model, "
        "bing, bard, system",
    ),
    (
        {"prompt": "Why?", "chosen": [user("How?"), assistant("a")], "rejected": [user("How?"), assistant("b")]},
        "the whole conversation in chosen and rejected does not have the prompt among its messages; "
        "--column other=prompt reads the conversation without it",
    ),
    (
        {"prompt": "Why?", "completion": [user("How?"), assistant("a")]},
        "the whole conversation in completion does not have the prompt among its messages; "
        "--column other=prompt messages=completion reads the conversation without it",
    ),
    (
        {"prompt": "a", "chosen": [user("a"), assistant("b"), user("c")], "rejected": [user("a"), assistant("b")]},
        "chosen and rejected must share all messages but the last",
    ),
    (
        {"prompt": "a", "chosen": [user("a"), assistant("b")], "rejected": "c"},
        "chosen must be text or one message of the assistant, got messages of: user, assistant",
    ),
    (
        {"chosen": [user("a"), user("b")], "rejected": [user("a"), assistant("c")]},
        "chosen must end in a message of the assistant, got one of: user",
    ),
    ({"instruction": "", "input": " ", "output": "b"}, "instruction is empty"),
    ({"instruction": "a", "output": 4}, "output must be text, got int"),
    ({"instruction": "a", "output": "b", "history": ["c"]}, "history must hold pairs [instruction, output], got 'c'"),
    ({"question": "a", "chosen": "b", "rejected": "c", "system": 4}, "system must be text, got int"),
    ({"text": ["a"]}, "text must be text, got list"),
    ({"prompt": " ", "solution": "4"}, "prompt is empty"),
]


@pytest.mark.parametrize(("entry", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_what_can_t_be_a_row_is_named_in_one_line_with_its_number(entry, message):
    with pytest.raises(ValueError, match=f"^{re.escape(f'row 1 of table: {message}')}$"):
        rows_of([entry], "table")


@pytest.mark.parametrize("kind", ["prompt", "reference", "rejected answer"])
def test_half_a_character_is_named_with_its_row(kind):
    entry = {"prompt": [user("a"), assistant("b"), user("c")], "chosen": "d", "rejected": "e"}
    broken = {
        "prompt": entry | {"prompt": [user("a"), assistant("b\ud83d"), user("c")]},
        "reference": entry | {"chosen": "d\ud83d"},
        "rejected answer": entry | {"rejected": "e\ud83d"},
    }[kind]
    message = re.escape(f"row 2 of table: the {kind} has \\ud83d at position 1, half of a character ")
    with pytest.raises(ValueError, match=f"^{message}"):
        rows_of([entry, broken], "table")
    whole = json.loads('{"prompt": "a", "chosen": "\\ud83d\\ude00", "rejected": "b"}')  # control: both halves
    assert rows_of([whole], "table")[0].reference == "\U0001f600"
