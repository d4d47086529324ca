"""eq-5 (RAS) and eq-6 (NAG), as printed and in the readings that the paper's tables need."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref import normalized_alignment_gain, relative_adversarial_score
from tests.equations import twins

verdicts = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=50)
scores = st.lists(st.floats(-2, 2), min_size=1, max_size=50)
TIES = {"loss": Fraction(0), "half": Fraction(1, 2), "win": Fraction(1)}


@given(verdicts | scores, st.sampled_from(sorted(TIES)))
def test_eq_5_is_its_plain_python_twin(values, ties):
    value = relative_adversarial_score(torch.tensor(values, dtype=torch.float64), ties=ties)
    assert isinstance(value, float)
    assert value == pytest.approx(float(twins.ras(values, TIES[ties])))


@given(verdicts)
def test_eq_5_default_counts_strict_wins_and_mirrors(values):
    judged = torch.tensor(values)
    assert relative_adversarial_score(judged) == relative_adversarial_score(judged, ties="loss")
    assert relative_adversarial_score(judged, ties="half") == pytest.approx(
        1 - relative_adversarial_score(-judged, ties="half")
    )
    assert relative_adversarial_score(judged, ties="win") == pytest.approx(1 - relative_adversarial_score(-judged))


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 1)), min_size=1, max_size=50))
def test_eq_6_is_its_plain_python_twin(pairs):
    after, before = zip(*pairs, strict=True)
    tensors = torch.tensor(after), torch.tensor(before)  # a judge's verdicts may be integers
    assert normalized_alignment_gain(*tensors) == pytest.approx(float(twins.nag(after, before)))
    signed = normalized_alignment_gain(*tensors, signed=True)
    assert signed == pytest.approx(float(twins.nag(after, before, signed=True)))
    assert signed == pytest.approx(-normalized_alignment_gain(*tensors[::-1], signed=True))
    assert signed == pytest.approx(normalized_alignment_gain(*tensors) - normalized_alignment_gain(*tensors[::-1]))


def test_eq_6_as_printed_cannot_be_negative_and_table_1_needs_the_signed_one():
    worse, better = torch.tensor([-1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    assert normalized_alignment_gain(worse, better) == 0
    assert normalized_alignment_gain(worse, better, signed=True) == pytest.approx(-1 / 3)
    assert normalized_alignment_gain(better, worse) == normalized_alignment_gain(better, worse, signed=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.zeros(0), "scores must be a tensor of shape (N,) with N >= 1, got (0,)"),
        (torch.zeros(2, 2), "scores must be a tensor of shape (N,) with N >= 1, got (2, 2)"),
        (torch.tensor(1.0), "scores must be a tensor of shape (N,) with N >= 1, got ()"),
        ([1.0], "scores must be a tensor of shape (N,) with N >= 1, got list"),
        (torch.tensor([1.0, math.nan]), "scores must be finite, got nan at index (1,)"),
    ],
)
def test_bad_scores_are_named(without_shape_checks, values, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 compared in full below
        relative_adversarial_score(values)
    assert str(error.value) == message


def test_bad_pairs_and_words_are_named(without_shape_checks):
    three, two = torch.zeros(3), torch.zeros(2)
    with pytest.raises(ValueError, match=r"before must have shape \(3,\), got \(2,\)"):
        normalized_alignment_gain(three, two)
    with pytest.raises(ValueError, match=r"after must be a tensor of shape \(N,\)"):
        normalized_alignment_gain(three[:0], three[:0])
    with pytest.raises(ValueError, match=r"before must be finite, got inf at index \(0,\)"):
        normalized_alignment_gain(two, torch.tensor([math.inf, 0]))
    with pytest.raises(ValueError, match="ties must be one of loss, half, win; got 'draw'"):
        relative_adversarial_score(three, ties="draw")
