"""The forms of prompts and completions. What is refused is tested with the rows (tests/data/test_rows.py)."""

import json

import pytest

from grao_ref.text.messages import answer_of, answer_text, as_completion, prompt_of, transcript

TALK = [{"role": "user", "content": "hello a"}]


def test_forms():
    message = [{"role": "assistant", "content": "b"}]
    assert (as_completion("b", "hello"), as_completion("b", TALK)) == ("b", message)
    assert (answer_text("b"), answer_text(message), answer_text([])) == ("b", "b", "")
    assert transcript("hello") == "hello"
    assert transcript([*TALK, *message]) == "user: hello a\n\nassistant: b"


SHAREGPT = [{"from": "human", "value": "hello"}]


@pytest.mark.parametrize("printed", [json.dumps(TALK), json.dumps(TALK, indent=1), repr(TALK), repr(SHAREGPT)])
def test_messages_that_a_table_of_texts_has_printed_are_no_text(printed):
    with pytest.raises(ValueError, match=r"^prompt is a text that holds messages as JSON or as Python prints them"):
        prompt_of(printed)
    with pytest.raises(ValueError, match=r"^completion is a text that holds messages as JSON"):
        answer_of(printed, "completion")


@pytest.mark.parametrize("text", ['[{"name": "add", "content": 1}]', f"Read {TALK}", f"{TALK} is a list.", "[1]", "[{"])
def test_control_other_texts_with_brackets_are_texts(text):
    assert prompt_of(text) == answer_of(text, "completion") == text
