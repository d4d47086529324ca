"""GRPO's and PPO's clipped ratio: piecewise by hand, its gradient where it is cut, and where it is not."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.equations.grpo import GRPO_LOSS_TYPES, grpo_objective
from grao_ref.equations.logprob import probability_ratio
from grao_ref.equations.ppo import ppo_objective
from tests.equations import twins
from tests.strategies import FLOATS, GARBAGE, noise, seeds, spoil, token_tables

epsilons = st.sampled_from([0.0, 0.1, 0.2, 0.5])
ONE = torch.ones(1, dtype=torch.bool)


def one_token(ratio: float, advantage: float, low: float = 0.2, high: float = 0.3) -> tuple[float, float]:
    """Value and gradient (in log π) of one token's term at this ratio."""
    logprob = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    term = ppo_objective(
        logprob,
        torch.zeros(1, dtype=torch.float64),
        torch.tensor([advantage], dtype=torch.float64),
        ONE,
        epsilon_low=low,
        epsilon_high=high,
    )
    term.backward()
    return term.item(), logprob.grad.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient"),
    [
        (1.1, 2.0, 2.2, 2.2),  # inside: the plain ratio
        (0.9, -2.0, -1.8, -1.8),
        (1.5, 2.0, 2.6, 0.0),  # a good token, already raised by more than ε_high: cut
        (0.5, -2.0, -1.6, 0.0),  # a bad token, already lowered by more than ε_low: cut
        (0.5, 2.0, 1.0, 1.0),  # a good token that was lowered: never cut, it has to come back
        (1.5, -2.0, -3.0, -3.0),  # a bad token that was raised: never cut
        (1.0, 0.0, 0.0, 0.0),
    ],
)
def test_clip_case_by_case(ratio, advantage, value, gradient):
    assert one_token(ratio, advantage) == pytest.approx((value, gradient))


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-3, 3), epsilons, epsilons)
def test_term_is_its_plain_python_twin(logprob, old, advantage, low, high):
    arguments = (torch.tensor([x], dtype=torch.float64) for x in (logprob, old, advantage))
    term = ppo_objective(*arguments, ONE, epsilon_low=low, epsilon_high=high)
    assert term.item() == pytest.approx(float(twins.clipped(logprob, old, advantage, low, high)), rel=1e-9, abs=1e-12)


@given(token_tables(), seeds)
def test_on_policy_the_value_is_the_advantage_and_the_gradient_reinforce(table, seed):
    logprobs = table.values.clone().requires_grad_()
    advantages = noise((len(table.mask),), seed)
    tokens = grpo_objective(logprobs, logprobs.detach(), advantages, table.mask)
    per_token = torch.where(table.mask, advantages[:, None], 0)
    assert torch.equal(tokens.detach(), per_token)
    (gradient,) = torch.autograd.grad(tokens.sum(), logprobs)
    assert torch.equal(gradient, per_token)


@given(seeds)
def test_loss_of_a_standardised_group_is_0_and_still_learns(seed):
    # the loss is 0 on-policy: the most frequent question about GRPO
    logprobs = noise((4, 3), seed).requires_grad_()
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    mask = torch.ones(4, 3, dtype=torch.bool)
    total = grpo_objective(logprobs, logprobs.detach(), advantages, mask).sum()
    total.backward()
    assert total.item() == 0
    assert logprobs.grad.abs().min() == 1


@given(token_tables(), seeds, st.sampled_from(GARBAGE))
def test_garbage_behind_the_mask_changes_no_value_and_no_gradient(table, seed, garbage):
    shape = tuple(table.values.shape)
    old, advantages = noise(shape, seed), noise(shape, seed + 1)
    clean, dirty = table.values.clone().requires_grad_(), table.garbage.clone().requires_grad_()
    a = ppo_objective(clean, old, advantages, table.mask)
    b = ppo_objective(dirty, spoil(old, table.mask, garbage), spoil(advantages, table.mask, garbage), table.mask)
    assert torch.equal(a, b)
    assert not b[~table.mask].any()
    a.sum().backward()
    b.sum().backward()
    assert torch.equal(clean.grad, dirty.grad)


@given(token_tables(), seeds)
def test_one_advantage_for_every_token_of_its_sequence(table, seed):
    advantages, old = noise((len(table.mask),), seed), noise(tuple(table.values.shape), seed + 1)
    spread = advantages[:, None].expand(table.mask.shape)
    assert torch.equal(
        grpo_objective(table.values, old, advantages, table.mask), ppo_objective(table.values, old, spread, table.mask)
    )


@given(token_tables(), seeds)
def test_wider_clipping_never_lowers_a_term(table, seed):
    old, advantages = noise(tuple(table.values.shape), seed) - 2, noise((len(table.mask),), seed + 1)
    narrow = grpo_objective(table.values, old, advantages, table.mask, epsilon_low=0.1, epsilon_high=0.1)
    wide = grpo_objective(table.values, old, advantages, table.mask, epsilon_low=0.3, epsilon_high=0.4)
    assert (wide >= narrow).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("gap", [100.0, 1e4, math.inf])
def test_infinite_ratios_poison_nothing(dtype, gap):
    # an advantage of 0 is every sample of a dead group: inf · 0 would be NaN
    for advantage, value in ((1.0, 1.2), (0.0, 0.0), (-1.0, None)):
        logprobs = torch.tensor([0.0], dtype=dtype, requires_grad=True)
        old = torch.tensor([-gap], dtype=dtype)
        term = ppo_objective(logprobs, old, torch.tensor([advantage], dtype=dtype), ONE)
        term.sum().backward()
        assert not logprobs.grad.isnan().any()
        if value is None:
            assert term.item() < -1e4 / 5
        else:
            assert term.item() == pytest.approx(value, rel=1e-2)
            assert logprobs.grad.item() == 0
    largest = probability_ratio(torch.tensor([gap], dtype=dtype), torch.tensor([0.0], dtype=dtype), ONE).item()
    assert largest < torch.finfo(dtype).max / 2
    assert largest > torch.finfo(dtype).max / 4 or gap < 1e4  # float64 holds e^100
    vanished = torch.tensor([0.0], dtype=dtype)
    assert probability_ratio(torch.tensor([-gap], dtype=dtype), vanished, ONE).item() < 1e-40


@given(st.floats(-20, 20))
def test_ratios_far_from_1_are_exact(log_ratio):
    x = torch.tensor([log_ratio], dtype=torch.float64)
    assert probability_ratio(x, torch.zeros_like(x), ONE).item() == pytest.approx(math.exp(log_ratio), rel=1e-12)


def test_low_and_high_are_not_mixed_up_and_reach_the_clip_of_grpo():
    old, mask = torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool)
    logprobs = torch.tensor([[math.log(2.0)], [math.log(0.25)]])
    terms = grpo_objective(logprobs, old, torch.tensor([1.0, -1.0]), mask, epsilon_low=0.5, epsilon_high=0.1)
    assert terms.flatten().tolist() == pytest.approx([1.1, -0.5])
    defaults = grpo_objective(logprobs, old, torch.tensor([1.0, -1.0]), mask)
    assert defaults.flatten().tolist() == pytest.approx([1.2, -0.8])
    defaults = ppo_objective(logprobs, old, torch.tensor([[1.0], [-1.0]]), mask)
    assert defaults.flatten().tolist() == pytest.approx([1.2, -0.8])


def test_advantages_and_the_old_policy_are_constants():
    logprobs, old, advantages = (noise((2, 3), i).requires_grad_() for i in range(3))
    ppo_objective(logprobs, old, advantages, torch.ones(2, 3, dtype=torch.bool)).sum().backward()
    assert logprobs.grad.any()
    assert old.grad is None
    assert advantages.grad is None


def test_gradcheck():
    logprobs, old, advantages = noise((2, 3), 0).requires_grad_(), noise((2, 3), 1), noise((2,), 2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    for kind in GRPO_LOSS_TYPES.values():
        assert torch.autograd.gradcheck(
            lambda x, kind=kind: kind.numerator(grpo_objective(x, old, advantages, mask), mask), (logprobs,)
        )


def test_bad_input_is_named(without_shape_checks):
    x, mask = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)
    cases = [
        (lambda: grpo_objective(x, x, torch.zeros(3), mask), r"advantages must have shape \(2,\), got \(3,\)"),
        (lambda: grpo_objective(x, x, torch.zeros(2).long(), mask), "advantages must be a floating-point tensor"),
        (lambda: grpo_objective(x, x, [0.0, 0.0], mask), "advantages must be a floating-point tensor, got list"),
        (lambda: grpo_objective([0.0], x, torch.zeros(2), mask), "logprobs must be a floating-point tensor, got list"),
        (lambda: grpo_objective(x, x, torch.zeros(2), mask[:1]), r"mask must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: grpo_objective(x, x, torch.zeros(2), mask.float()), "mask must be a boolean tensor"),
        (lambda: ppo_objective(x, x[:1], x, mask), r"old_logprobs must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: ppo_objective(x, x, x[:, :1], mask), r"advantages must have shape \(2, 3\), got \(2, 1\)"),
        (lambda: ppo_objective(x.long(), x, x, mask), "logprobs must be a floating-point tensor"),
        (lambda: ppo_objective(x, x.long(), x, mask), "old_logprobs must be a floating-point tensor"),
        (lambda: ppo_objective(x, x, x.long(), mask), "advantages must be a floating-point tensor"),
        (lambda: grpo_objective(x[0, 0], x[0, 0], x[0, 0], mask[0, 0]), "logprobs must have at least 1 dimensions"),
        (lambda: probability_ratio(x, x[:1], mask), r"old_logprobs must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: probability_ratio(x.long(), x, mask), "logprobs must be a floating-point tensor"),
        (lambda: probability_ratio(x, x.long(), mask), "old_logprobs must be a floating-point tensor"),
        (lambda: ppo_objective(x, x, x, mask, epsilon_low=torch.zeros(1)), r"epsilon_low must be a number in \[0, 1\]"),
        (lambda: ppo_objective(x, x, x, mask, epsilon_low=1.1), r"epsilon_low must be a number in \[0, 1\], got 1.1"),
        (
            lambda: ppo_objective(x, x, x, mask, epsilon_high=-0.1),
            "epsilon_high must be a finite number >= 0, got -0.1",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=rf"^{message}"):
            call()
