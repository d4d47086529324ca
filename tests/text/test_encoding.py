"""Tokens of prompt and answer, by hand: no special token twice, none forgotten."""

import pytest
from grao_ref.rewards.text import as_completion, encode_pair, encode_whole, transcript

from tests.rewards.tiny import WORDS, tokenizer

TALK = [{"role": "user", "content": "hello a"}]


def words(ids):
    return " ".join(WORDS[token] for token in ids)


def test_control_the_tokenizer_would_add_its_special_token_again():
    assert words(tokenizer()("<s> hello")["input_ids"]) == "<s> <s> hello"


def test_a_conversation_has_each_special_token_once():
    prompt, answer = encode_pair(tokenizer(), TALK, "b c")
    assert (words(prompt), words(answer)) == ("<s> user : hello a </s> <s> assistant :", "b c")
    whole = encode_whole(tokenizer(), TALK, "b c")
    assert words(whole) == "<s> user : hello a </s> <s> assistant : b c </s>"


def test_a_text_gets_the_tokenizer_s_own_special_tokens_once():
    prompt, answer = encode_pair(tokenizer(), "hello a", "b c")
    assert (words(prompt), words(answer)) == ("<s> hello a", "b c")
    assert words(encode_whole(tokenizer(), "hello a ", "b c")) == "<s> hello a b c"


def test_a_conversation_without_a_template_is_refused():
    for encode in (encode_pair, encode_whole):
        with pytest.raises(
            ValueError, match=r"the prompts are conversational, and the tokenizer of .* no chat template"
        ):
            encode(tokenizer(chat=False), TALK, "b")


def test_forms():
    message = [{"role": "assistant", "content": "b"}]
    assert (as_completion("b", "hello"), as_completion("b", TALK)) == ("b", message)
    assert transcript("hello") == "hello"
    assert transcript([*TALK, *message]) == "user: hello a\n\nassistant: b"
