"""Which rows are long, short or the same twice, by hand; what training refuses."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.data.examples import Example, Limits, encode, select, training_examples
from grao_ref.data.rows import Row
from grao_ref.data.sorting import sorting_rows
from grao_ref.policies.embedded import tiny_tokenizer
from grao_ref.text.encoding import Encoder


class Letters:
    """A token for each letter; 0 ends an answer."""

    eos_token_id, eos_token, unk_token, chat_template, name_or_path = 0, "\0", None, None, "letters"

    def __call__(self, texts, add_special_tokens=True):
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


def letters() -> Encoder:
    return Encoder(Letters())


def test_rows_keep_their_order_and_their_own_tokens():
    rows = [Row("p", "ab", "c"), Row("qq", "d"), Row("r", "e", "fg")]
    a, b, c, d, e, f, g = map(ord, "abcdefg")
    assert encode(rows, letters(), closed=True) == [
        Example(rows[0], [ord("p")], [a, b, 0], [c, 0]),
        Example(rows[1], [ord("q")] * 2, [d, 0], None),
        Example(rows[2], [ord("r")], [e, 0], [f, g, 0]),
    ]
    assert encode(rows, letters(), closed=False)[2] == Example(rows[2], [ord("r")], [e], [f, g])
    assert encode([], letters(), closed=True) == []


def test_rows_stay_up_to_the_lengths_that_are_allowed_and_no_further():
    rows = [Row("ppp", "aa", "rr"), Row("pppp", "aa", "rr"), Row("ppp", "aaa", "rr"), Row("ppp", "aa", "rrr")]
    kept, counts = training_examples(rows, letters(), Limits(prompt=3, completion=3), context=6)  # an answer, its end
    assert [example.row for example in kept] == rows[:1]
    assert counts == {"same answer twice": 0, "an answer without a token": 0, "too long": 3, "used": 1}


@pytest.mark.parametrize(
    ("limits", "used"),
    [
        (Limits(), [0, 1, 2, 3]),
        (Limits(prompt=2), [0, 2, 3]),
        (Limits(completion=2), [0, 1]),
        (Limits(together=4), [0, 1]),
        (Limits(prompt=1, completion=2, together=3), [0]),
    ],
)
def test_each_limit_is_of_the_prompt_the_longer_answer_or_both(limits, used):
    rows = [Row("p", "aa", "r"), Row("ppp", "a", "r"), Row("pp", "aaa", "r"), Row("pp", "a", "rrr")]
    kept, counts = select(encode(rows, letters(), closed=False), limits)
    assert [rows.index(example.row) for example in kept] == used
    assert (counts["used"], counts["too long"]) == (len(used), 4 - len(used))


def test_the_same_answer_twice_is_left_out_where_that_is_asked_for_and_an_empty_one_always():
    rows = [Row("p", "aa", "aa"), Row("p", "", "a"), Row("p", "a", ""), Row("p", "a"), Row("p", "a" * 9, "a" * 9)]
    examples = encode(rows, letters(), closed=False)
    kept, counts = select(examples, Limits(completion=5), distinct=True)
    assert [example.row for example in kept] == [rows[3]]
    assert counts == {"same answer twice": 2, "an answer without a token": 2, "too long": 0, "used": 1}
    kept, counts = select(examples, Limits(completion=5))
    assert [example.row for example in kept] == [rows[0], rows[3]]
    assert counts == {"same answer twice": 0, "an answer without a token": 2, "too long": 1, "used": 2}


lengths = st.integers(0, 4)


@given(st.lists(st.tuples(st.integers(1, 4), lengths, lengths), max_size=8), st.one_of(st.none(), st.integers(1, 5)))
def test_the_counts_add_up_to_the_rows(sizes, limit):
    rows = [Row("p" * p, "a" * a, "r" * r) for p, a, r in sizes]
    kept, counts = select(encode(rows, letters(), closed=True), Limits(completion=limit))
    assert sum(counts.values()) == len(rows)
    assert counts["used"] == len(kept) == sum(limit is None or max(a, r) + 1 <= limit for _, a, r in sizes)


def test_a_prompt_that_leaves_no_room_for_an_answer_is_named():
    rows = [Row("p", "a"), Row("ppppp", "a")]
    assert len(training_examples(rows, letters(), Limits(completion=3), context=8)[0]) == 2
    assert len(training_examples(rows, letters(), Limits(completion=3), context=None)[0]) == 2
    with pytest.raises(
        ValueError,
        match=r"^the prompt of row 2 has 5 tokens, which with max_completion_length 3 exceeds the model's context of 7"
        r"; max_prompt_length drops such rows$",
    ):
        training_examples(rows, letters(), Limits(completion=3), context=7)
    assert len(training_examples(rows, letters(), Limits(prompt=4, completion=3), context=7)[0]) == 1


def test_a_prompt_without_a_token_is_named_by_its_number_in_the_file():
    class Deaf(Letters):
        """Reads no tilde."""

        def __call__(self, texts, add_special_tokens=True):
            return super().__call__([text.replace("~", "") for text in texts])

    with pytest.raises(ValueError, match=r"^row 12: the tokenizer of 'letters' has no token for the prompt$"):
        encode([Row("p", "a"), Row("~", "a", number=12)], Encoder(Deaf()), closed=True)
    assert encode([Row("~p", "a")], Encoder(Deaf()), closed=True)  # control


def test_where_no_row_is_left_the_limits_are_named():
    with pytest.raises(
        ValueError, match=r"^none of 1 rows fits: max_prompt_length is 2 and max_completion_length 3 tokens$"
    ):
        training_examples([Row("ppp", "a")], letters(), Limits(prompt=2, completion=3), context=9)


def test_training_needs_a_length_of_answers_and_an_end():
    with pytest.raises(ValueError, match="training needs a limit for the length of an answer"):
        training_examples([Row("p", "a")], letters(), Limits(), context=9)
    endless = Letters()
    endless.eos_token_id = None
    assert encode([Row("p", "a")], Encoder(endless), closed=False)[0].reference == [ord("a")]
    with pytest.raises(ValueError, match=r"^row 1: the tokenizer has no end-of-sequence token"):
        encode([Row("p", "a")], Encoder(endless), closed=True)


def test_four_thousand_short_rows_are_encoded_at_once():
    rows, tokenizer, sizes = sorting_rows(), tiny_tokenizer(), []

    class Counted(Letters):
        eos_token_id = tokenizer.eos_token_id

        def __call__(self, texts, add_special_tokens=True):
            sizes.append(len(texts))
            return tokenizer(texts, add_special_tokens=add_special_tokens)

    start = time.process_time()
    examples = encode(rows, Encoder(Counted()), closed=True)
    assert time.process_time() - start < 5  # 0.3 s on a laptop
    assert sizes == [4000, 1, 4000, 4000]  # prompts, one with its special tokens, two answers each
    assert examples[7].row is rows[7]
    assert tokenizer.decode(examples[7].prompt + examples[7].reference) == rows[7].prompt + rows[7].reference + "."
