"""Sums and means over padded positions: padding must never change the result."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.equations.grao import grao_objective
from grao_ref.equations.masked import hide, masked_mean, masked_sum, over_scored
from tests.equations import twins
from tests.strategies import FLOATS, GARBAGE, Group, groups, noise, seeds, spoil, token_tables


def rows(values: torch.Tensor, mask: torch.Tensor) -> list[list[float]]:
    """The sequences as lists of the tokens that count."""
    return [v[m].tolist() for v, m in zip(values, mask, strict=True)]


@given(token_tables())
def test_sum_and_mean_are_their_plain_python_twins(table):
    expected = rows(table.values, table.mask)
    assert masked_sum(table.values, table.mask).tolist() == pytest.approx([sum(row) for row in expected])
    means = [float(twins.mean_loglik(row)) for row in expected]
    assert masked_mean(table.values, table.mask).tolist() == pytest.approx(means)


@given(token_tables())
def test_garbage_behind_the_mask_changes_no_value_and_no_gradient(table):
    for reduction in (masked_sum, masked_mean):
        clean, dirty = table.values.clone().requires_grad_(), table.garbage.clone().requires_grad_()
        a, b = reduction(clean, table.mask), reduction(dirty, table.mask)
        assert torch.equal(a, b)
        a.sum().backward()
        b.sum().backward()
        assert torch.equal(clean.grad, dirty.grad)
        assert not dirty.grad[~table.mask].any()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_hidden_before_exp_is_hidden_for_ever(garbage):
    mask = torch.tensor([True, False])
    values = torch.tensor([1.0, garbage], requires_grad=True)
    hide(values, mask).exp().sum().backward()
    assert values.grad.tolist() == pytest.approx([2.718281828, 0.0])


def test_control_masking_after_exp_leaks_nan():
    values = torch.tensor([1.0, float("nan")], requires_grad=True)
    torch.where(torch.tensor([True, False]), values.exp(), torch.zeros(2)).sum().backward()
    assert values.grad[1].isnan()


@given(token_tables(), st.integers(1, 4))
def test_more_padding_changes_nothing(table, width):
    values = torch.nn.functional.pad(table.values, (0, width), value=float("nan"))
    mask = torch.nn.functional.pad(table.mask, (0, width))
    torch.testing.assert_close(masked_mean(values, mask), masked_mean(table.values, table.mask), rtol=1e-12, atol=0)
    torch.testing.assert_close(masked_sum(values, mask), masked_sum(table.values, table.mask), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_long_sequences_in_half_precision_are_averaged_in_float32(dtype):
    # 2048 times −40 is more than float16 holds, and 257 is no number in bfloat16
    for length, value in ((2048, -40.0), (257, -1.0)):
        values = torch.full((length,), value, dtype=dtype)
        assert masked_mean(values, torch.ones(length, dtype=torch.bool)).item() == value


def test_nan_on_a_token_that_counts_stays_visible():
    values, mask = torch.tensor([1.0, float("nan")]), torch.tensor([True, True])
    assert masked_sum(values, mask).isnan()
    assert masked_mean(values, mask).isnan()
    assert hide(values, mask)[1].isnan()


def test_no_token_is_0_with_gradient_0():
    values = torch.full((2, 3), float("inf"), requires_grad=True)
    mean = masked_mean(values, torch.zeros(2, 3, dtype=torch.bool))
    mean.sum().backward()
    assert mean.tolist() == [0.0, 0.0]
    assert not values.grad.any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_and_leading_shape_stay(dtype):
    values = torch.ones(2, 3, 4, dtype=dtype)
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    assert masked_mean(values, mask).dtype == hide(values, mask).dtype == dtype
    assert masked_mean(values, mask).shape == (2, 3)
    assert masked_sum(spoil(values, mask), mask).tolist() == [[4.0] * 3] * 2
    assert masked_sum(values, mask).dtype == dtype


@pytest.mark.parametrize(
    ("values", "mask", "message"),
    [
        (
            torch.zeros(2, 3),
            torch.ones(2, 4, dtype=torch.bool),
            "mask must have shape (2, 3), got (2, 4): nothing is broadcast",
        ),
        (torch.zeros(2, 3), torch.ones(3, dtype=torch.bool), "mask must have shape (2, 3), got (3,)"),
        (torch.zeros(2, 3), torch.ones(2, 3), "mask must be a boolean tensor, got a torch.float32 tensor"),
        (torch.zeros(2, 3), None, "mask must be a boolean tensor, got NoneType"),
        (
            torch.zeros(2, 3, dtype=torch.int64),
            torch.ones(2, 3, dtype=torch.bool),
            "values must be a floating-point tensor",
        ),
    ],
)
def test_bad_input_is_named(without_shape_checks, values, mask, message):
    for function in (hide, masked_sum, masked_mean):
        with pytest.raises(ValueError) as error:  # noqa: PT011 compared in full below
            function(values, mask)
        assert message in str(error.value)


def test_a_number_is_no_sequence(without_shape_checks):
    for reduction in (masked_sum, masked_mean):
        with pytest.raises(ValueError, match=r"values must have at least 1 dimensions, got shape \(\)"):
            reduction(torch.tensor(1.0), torch.tensor(True))


def test_over_scored_by_hand():
    scored = torch.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    values = spoil(torch.tensor([[1.0, 3, 9, 9], [0.1, 0.2, 0.3, 0.7], [9, 9, 9, 9]]), scored)
    scaled = over_scored(values, scored)
    assert scaled[0].tolist() == [2, 6, 0, 0]  # 4/2 · 1, 4/2 · 3
    assert torch.equal(scaled[1], values[1])  # all were scored: nothing changes, to the bit
    assert scaled[2].tolist() == [0, 0, 0, 0]  # none was


@given(groups(st.integers(2, 8)), st.sampled_from(GARBAGE), seeds)
def test_mean_of_over_scored_is_the_mean_over_what_was_scored(group, garbage, seed):
    scored = noise(group.rewards.shape, seed) > 0
    values = spoil(group.rewards, scored, garbage)
    torch.testing.assert_close(over_scored(values, scored).mean(dim=-1), masked_mean(values, scored))


@given(groups(st.integers(4, 8)), st.sampled_from(GARBAGE), seeds)
def test_eq_3_over_scored_advantages_is_eq_3_of_the_scored_outputs(group: Group, garbage, seed):
    A_o, A_y = noise(group.rewards.shape, seed), noise(group.reference_reward.shape, seed + 1)
    scored = torch.arange(A_o.shape[-1]).expand(A_o.shape) % 2 == 0  # so many in every group, 2 at least
    weights = {"beta": 0.5, "lam": 0.6}
    advantages = over_scored(spoil(A_o, scored, garbage), scored)
    found = grao_objective(group.output_loglik, group.reference_loglik, advantages, A_y, **weights)
    alone = grao_objective(group.output_loglik[..., ::2], group.reference_loglik, A_o[..., ::2], A_y, **weights)
    for term, expected in zip(found, alone, strict=True):
        torch.testing.assert_close(term, expected)
    unscaled = hide(spoil(A_o, scored, garbage), scored)  # control: with 1/G over all the terms would be too small
    other = grao_objective(group.output_loglik, group.reference_loglik, unscaled, A_y, **weights)
    assert (other.exploration.abs() < alone.exploration.abs()).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_over_scored_keeps_the_dtype(dtype):
    scored = torch.tensor([True, True, False])
    assert over_scored(torch.ones(3, dtype=dtype), scored).dtype == dtype
    assert over_scored(torch.ones(3, dtype=dtype), scored).sum().item() == pytest.approx(3, rel=1e-2)
