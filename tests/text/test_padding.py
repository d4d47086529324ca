"""Padding by length."""

from hypothesis import given
from hypothesis import strategies as st

from grao_ref.text.padding import padded


def test_padding_is_by_length_whatever_the_tokens_are():
    tokens = padded([[0, 5], [7]], value=7)
    assert tokens.ids.tolist() == [[0, 5], [7, 7]]
    assert tokens.mask.tolist() == [[True, True], [True, False]]


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=5))
def test_the_mask_gives_the_sequences_back(sequences):
    tokens = padded(sequences)
    assert [ids[mask].tolist() for ids, mask in zip(tokens.ids, tokens.mask, strict=True)] == sequences
    assert tokens.ids.shape == (len(sequences), max(1, *map(len, sequences)))
    assert not tokens.ids.is_floating_point()
