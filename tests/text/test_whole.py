"""Whole texts: which token is not trained on, where a text ends, and that the tokens are those of TRL's SFT."""

import re

import pytest
from tokenizers import processors
from transformers import AutoTokenizer

from grao_ref.data.examples import Limits, encode, training_examples
from grao_ref.data.rows import Row, rows_of
from grao_ref.text.encoding import Encoder
from grao_ref.text.whole import whole_text_ids
from tests.language import save_model
from tests.rewards.tiny import tokenizer as words_with_a_start


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """A tokenizer without a beginning-of-sequence token: a function, since the tests change what it returns."""
    folder = save_model(tmp_path_factory.mktemp("model"))
    return lambda: AutoTokenizer.from_pretrained(folder)


def of_trl(tokenizer, text):
    """TRL 1.16's SFTTrainer, in two lines: the text with its end, if it has none, and the tokenizer's own tokens."""
    ended = text if text.endswith(tokenizer.eos_token) else text + tokenizer.eos_token
    return tokenizer(text=ended)["input_ids"]


def test_the_prompt_is_the_beginning_of_sequence_token_where_there_is_one_and_else_the_first_token(letters):
    start, none = words_with_a_start(), letters()
    ((prompt, answer),) = whole_text_ids(Encoder(start), ["hello a"])
    assert start.convert_ids_to_tokens(prompt) == ["<s>"]
    assert start.convert_ids_to_tokens(answer) == ["hello", "a", "</s>"]
    ((prompt, answer),) = whole_text_ids(Encoder(none), ["abc"])
    assert none.convert_ids_to_tokens(prompt) == ["a"]
    assert none.convert_ids_to_tokens(answer) == ["b", "c", "<eos>"]


@pytest.mark.parametrize("text", ["a", "hello a b", "hello a </s>"])
def test_the_tokens_are_those_that_trl_trains_on_with_a_start(text):
    tokenizer = words_with_a_start()
    ((prompt, answer),) = whole_text_ids(Encoder(tokenizer), [text])
    assert prompt + answer == of_trl(tokenizer, text)


@pytest.mark.parametrize("text", ["a", "abc", "abc<eos>", "a<eos>c"])
def test_the_tokens_are_those_that_trl_trains_on_without_a_start(text, letters):
    ((prompt, answer),) = whole_text_ids(Encoder(letters()), [text])
    assert prompt + answer == of_trl(letters(), text)
    assert len(prompt) == 1


def test_a_tokenizer_that_appends_its_end_appends_it_once(letters):
    tokenizer = letters()
    end = [("<eos>", tokenizer.eos_token_id)]
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=end)
    assert tokenizer("ab")["input_ids"][-1] == tokenizer.eos_token_id  # control: it does
    assert whole_text_ids(Encoder(tokenizer), ["ab"]) == whole_text_ids(Encoder(letters()), ["ab"])
    ((_, answer),) = whole_text_ids(Encoder(tokenizer), ["ab"], closed=False)
    assert answer == letters()("b")["input_ids"]


def test_whole_texts_keep_their_place_among_other_rows(letters):
    rows = [Row("ab", "c"), Row("", "abc"), Row("a", "b"), Row("", "x")]
    read = [(example.row, letters().decode(example.prompt + example.reference)) for example in
            encode(rows, Encoder(letters()), closed=True)]  # fmt: skip
    assert read == [(rows[0], "abc<eos>"), (rows[1], "abc<eos>"), (rows[2], "ab<eos>"), (rows[3], "x<eos>")]


def test_a_text_that_is_too_long_is_dropped_and_one_letter_is_enough(letters):
    rows = rows_of([{"text": "a"}, {"text": "abcd"}, {"text": "abcde"}], "table")
    kept, counts = training_examples(rows, Encoder(letters()), Limits(completion=4), context=None)
    assert [example.row.number for example in kept] == [1, 2]
    assert counts["too long"] == 1


def test_what_has_no_place_in_a_whole_text_is_refused_with_the_row(letters):
    message = "row 7: system_prompt is put before conversations, and this row is a whole text"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        whole_text_ids(Encoder(letters(), system="Be brief."), ["a"], [7])
    with pytest.raises(ValueError, match=r"^row 3: the token 'a' has the id 4, and the model has 4 embeddings"):
        whole_text_ids(Encoder(letters(), rows=4), ["<eos>a"], [3])
    endless = letters()
    endless.eos_token = None
    with pytest.raises(ValueError, match=r"^the tokenizer has no end-of-sequence token, so the end of a text can't"):
        whole_text_ids(Encoder(endless), ["a"])
    assert whole_text_ids(Encoder(endless), ["a"], closed=False)  # control
