"""The forms of prompts and completions. What is refused is tested with the rows (tests/data/test_rows.py)."""

from grao_ref.text.messages import answer_text, as_completion, transcript

TALK = [{"role": "user", "content": "hello a"}]


def test_forms():
    message = [{"role": "assistant", "content": "b"}]
    assert (as_completion("b", "hello"), as_completion("b", TALK)) == ("b", message)
    assert (answer_text("b"), answer_text(message), answer_text([])) == ("b", "b", "")
    assert transcript("hello") == "hello"
    assert transcript([*TALK, *message]) == "user: hello a\n\nassistant: b"
