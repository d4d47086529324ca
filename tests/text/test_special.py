"""The special tokens of a tokenizer, and what of a text decoding would take away."""

import pytest

from grao_ref.text.special import added_tokens, first_special, lost_tokens, require_embeddings
from tests.cases import SPECIAL, byte_tokenizer, piece_tokenizer


def test_special_and_other_added_tokens_are_told_apart_and_the_unknown_one_is_neither():
    reader = byte_tokenizer(extra=("<think>",))
    reader.add_tokens(["<tool>"])
    special, added = added_tokens(reader)
    assert set(special) == {*SPECIAL, "<think>"}
    assert set(added) == {"<tool>"}
    reader.unk_token = "<pad>"
    assert "<pad>" not in added_tokens(reader)[0]
    reader.unk_token = "<eos>"  # GPT-2's is its end as well
    assert "<eos>" in added_tokens(reader)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<stop>\n<eos>", ("", "<stop>")),
        (" \n<eos><stop>", (" \n", "<eos>")),
        ("<stop", ("", None)),
        ("\n", ("", None)),
        ("", ("", None)),
    ],
)
def test_the_first_special_token_of_a_text(text, expected):
    reader = byte_tokenizer()
    gap, token, id_ = first_special(reader, text)
    assert (gap, token) == expected
    assert id_ == (None if token is None else reader.convert_tokens_to_ids(token))


def test_of_two_that_begin_together_the_longer_one_counts_and_an_unmarked_one_comes_second():
    reader = byte_tokenizer(extra=("<stop>>",))
    assert first_special(reader, "<stop>>")[1] == "<stop>>"
    reader.add_tokens(["<over>", "\n\n"])
    assert first_special(reader, "<over>\n<eos>")[1] == "<eos>"
    assert first_special(reader, "\n\n<over>") == ("\n\n", "<over>", reader.convert_tokens_to_ids("<over>"))
    assert first_special(reader, "\n\n") == ("", None, None)


def test_tokens_inside_a_text_are_lost_and_those_at_its_end_are_not_counted():
    reader = byte_tokenizer(extra=("<think>", "</think>"))
    texts = ["<think>a</think>b", "a<eos>", "a<eos>\n", None, "", "<stop>a<stop>"]
    assert lost_tokens(reader, texts) == (2, ["</think>", "<stop>", "<think>"])
    assert lost_tokens(reader, ["<thin>"]) == (0, [])
    assert reader.decode(reader("<think>a")["input_ids"], skip_special_tokens=True) == "a"  # control


def test_the_first_sequence_with_an_id_outside_is_named():
    reader = piece_tokenizer()
    size = len(reader)
    require_embeddings(reader, [[], [size - 1]], ["row 1", "row 2"], size)
    with pytest.raises(ValueError, match=rf"^row 2: the token '</head>' has the id {size - 1}, and the model has "):
        require_embeddings(reader, [[0], [0, size - 1], [size - 1]], ["row 1", "row 2", "row 3"], size - 1)
