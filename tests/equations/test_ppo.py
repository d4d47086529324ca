"""PPO's own parts: where the score lands, GAE against its double sum, the critic's loss, whitening."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.equations.ppo import generalized_advantages, token_rewards, value_error, whiten
from tests.equations import twins
from tests.strategies import GARBAGE, noise, seeds, spoil, token_tables

fractions = st.sampled_from([0.0, 0.5, 0.95, 1.0])


def per_sequence(mask: torch.Tensor, *tables: torch.Tensor):
    """The rows of the tables as lists of the tokens that count."""
    return ([table[row][mask[row]].tolist() for table in tables] for row in range(len(mask)))


@given(token_tables(), seeds, st.floats(0, 2))
def test_rewards_are_their_plain_python_twin(table, seed, kl_coef):
    ref, scores = noise(tuple(table.values.shape), seed), noise((len(table.mask),), seed + 1)
    rewards = token_rewards(scores, table.garbage, spoil(ref, table.mask), table.mask, kl_coef=kl_coef)
    rows = per_sequence(table.mask, rewards, table.values, ref)
    for score, (got, logprobs, ref_logprobs) in zip(scores.tolist(), rows, strict=True):
        assert got == pytest.approx([float(r) for r in twins.token_rewards(score, logprobs, ref_logprobs, kl_coef)])
    assert not rewards[~table.mask].any()


@given(token_tables(), seeds)
def test_the_score_lands_once_on_the_last_token_and_never_on_padding(table, seed):
    scores = noise((len(table.mask),), seed)
    rewards = token_rewards(scores, table.values, table.values, table.mask, kl_coef=0.5)
    lengths = table.mask.sum(-1)
    for row, (score, length) in enumerate(zip(scores.tolist(), lengths.tolist(), strict=True)):
        expected = [0.0] * table.mask.shape[1]
        if length:
            expected[length - 1] = score
        assert rewards[row].tolist() == expected


@given(token_tables(), seeds, fractions, fractions)
def test_gae_is_its_double_sum(table, seed, gamma, gae_lambda):
    values = noise(tuple(table.values.shape), seed)
    advantages, returns = generalized_advantages(
        table.garbage, spoil(values, table.mask), table.mask, gamma=gamma, gae_lambda=gae_lambda
    )
    for got, target, rewards, value in per_sequence(table.mask, advantages, returns, table.values, values):
        expected = [float(a) for a in twins.gae(rewards, value, gamma, gae_lambda)]
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert target == pytest.approx([a + v for a, v in zip(expected, value, strict=True)], rel=1e-9, abs=1e-9)
    assert not advantages[~table.mask].any()
    assert not returns[~table.mask].any()


@given(token_tables(), seeds)
def test_gae_limits(table, seed):
    values = noise(tuple(table.values.shape), seed)
    # λ = 1, γ = 1: the return is the sum of the rewards still to come, whatever the critic says
    _, returns = generalized_advantages(table.values, values, table.mask, gamma=1.0, gae_lambda=1.0)
    to_come = torch.where(table.mask, table.values, 0).flip(-1).cumsum(-1).flip(-1)
    torch.testing.assert_close(returns, torch.where(table.mask, to_come, 0), rtol=1e-9, atol=1e-9)
    # γ = 0: one-step regret
    advantages, _ = generalized_advantages(table.values, values, table.mask, gamma=0.0)
    torch.testing.assert_close(advantages, torch.where(table.mask, table.values - values, 0))


def test_gae_on_paper():
    rewards, values = torch.tensor([[0.0, 1.0]]).double(), torch.tensor([[0.5, 0.25]]).double()
    advantages, returns = generalized_advantages(rewards, values, torch.ones(1, 2, dtype=torch.bool))
    last = 1 - 0.25
    first = 0 + 0.25 - 0.5 + 0.95 * last  # γ = 1 and λ = 0.95 by default
    assert advantages.tolist() == [pytest.approx([first, last])]
    assert returns.tolist() == [pytest.approx([first + 0.5, last + 0.25])]


def test_gae_skips_a_masked_token_in_the_middle():
    rewards, values = noise((1, 4), 0), noise((1, 4), 1)
    hole = torch.tensor([[True, False, True, True]])
    kept = [0, 2, 3]
    with_hole = generalized_advantages(spoil(rewards, hole), spoil(values, hole), hole, gamma=0.9, gae_lambda=0.8)
    without = generalized_advantages(rewards[:, kept], values[:, kept], hole[:, kept], gamma=0.9, gae_lambda=0.8)
    for a, b in zip(with_hole, without, strict=True):
        assert torch.equal(a[:, kept], b)


@given(seeds)
def test_any_leading_shape_is_the_flat_table_reshaped(seed):
    mask = torch.arange(5) < torch.tensor([[5, 0, 3], [1, 4, 2]])[..., None]
    logprobs, ref, values = (noise((2, 3, 5), seed + i) for i in range(3))
    scores = noise((2, 3), seed + 3)
    deep = token_rewards(scores, logprobs, ref, mask, kl_coef=0.3)
    flat = token_rewards(scores.flatten(), logprobs.flatten(0, 1), ref.flatten(0, 1), mask.flatten(0, 1), kl_coef=0.3)
    assert torch.equal(deep.flatten(0, 1), flat)
    for a, b in zip(
        generalized_advantages(deep, values, mask),
        generalized_advantages(flat, values.flatten(0, 1), mask.flatten(0, 1)),
        strict=True,
    ):
        assert torch.equal(a.flatten(0, 1), b)


def test_rewards_advantages_and_returns_are_constants():
    mask = torch.ones(2, 3, dtype=torch.bool)
    x = noise((2, 3), 0).requires_grad_()
    scores = noise((2,), 1).requires_grad_()
    assert not token_rewards(scores, x, x * 2, mask, kl_coef=0.1).requires_grad
    assert not any(t.requires_grad for t in generalized_advantages(x, x, mask))
    assert not whiten(x, mask).requires_grad


@given(token_tables(min_length=1), seeds)
def test_whitened_tokens_have_mean_0_and_mean_square_1(table, seed):
    advantages = noise(tuple(table.values.shape), seed)
    white = whiten(spoil(advantages, table.mask), table.mask)
    tokens = white[table.mask]
    assert white.shape == table.mask.shape
    assert not white[~table.mask].any()
    assert tokens.mean().item() == pytest.approx(0, abs=1e-9)
    assert tokens.square().mean().item() == pytest.approx(1 if len(tokens) > 1 else 0)
    order = advantages[table.mask].argsort()
    assert (tokens[order].diff() >= 0).all()


def test_a_critic_in_half_precision_does_not_round_the_advantages():
    rewards, values, mask = noise((2, 3), 0), noise((2, 3), 1).bfloat16(), torch.ones(2, 3, dtype=torch.bool)
    got = generalized_advantages(rewards, values, mask)
    for a, b in zip(got, generalized_advantages(rewards, values.double(), mask), strict=True):
        assert torch.equal(a, b)
    assert generalized_advantages(rewards.bfloat16(), values, mask)[0].dtype == torch.float32


def test_no_token_at_all():
    nothing, mask = torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool)
    for table in (
        *generalized_advantages(nothing, nothing, mask),
        token_rewards(torch.zeros(2), nothing, nothing, mask, kl_coef=0.1),
    ):
        assert table.shape == (2, 0)


def test_whiten_of_nothing_or_of_equals_is_0():
    x = torch.full((2, 3), 0.95)
    assert not whiten(x, torch.ones(2, 3, dtype=torch.bool)).any()
    assert whiten(x * math.nan, torch.zeros(2, 3, dtype=torch.bool)).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize(
    ("value", "error", "gradient"),
    [
        (1.1, 0.5 * 0.9**2, -0.9),  # R = 2, V_old = 1, c = 0.2; inside the range: the plain error
        (1.5, 0.5 * 0.8**2, 0.0),  # moved too far towards R: held at 1.2
        (0.5, 0.5 * 1.5**2, -1.5),  # moved away from R: never cut
        (3.5, 0.5 * 1.5**2, 1.5),  # overshot R: the larger error counts
    ],
)
def test_value_error_case_by_case(value, error, gradient):
    values = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    old, target = torch.tensor([[1.0]]).double(), torch.tensor([[2.0]]).double()
    result = value_error(values, old, target, torch.ones(1, 1, dtype=torch.bool))
    result.sum().backward()
    assert result.item() == pytest.approx(error)
    assert values.grad.item() == pytest.approx(gradient)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([0.0, 0.1, 0.2, 1.0]))
def test_value_error_is_its_plain_python_twin(value, old, target, clip_range):
    tensors = (torch.tensor([[x]], dtype=torch.float64) for x in (value, old, target))
    result = value_error(*tensors, torch.ones(1, 1, dtype=torch.bool), clip_range=clip_range)
    assert result.item() == pytest.approx(float(twins.value_error(value, old, target, clip_range)), rel=1e-9, abs=1e-12)


@given(token_tables(), seeds, st.sampled_from(GARBAGE))
def test_value_error_ignores_garbage_behind_the_mask(table, seed, garbage):
    shape = tuple(table.values.shape)
    old, target = noise(shape, seed), noise(shape, seed + 1)
    clean, dirty = table.values.clone().requires_grad_(), table.garbage.clone().requires_grad_()
    a = value_error(clean, old, target, table.mask)
    b = value_error(dirty, spoil(old, table.mask, garbage), spoil(target, table.mask, garbage), table.mask)
    assert torch.equal(a, b)
    a.sum().backward()
    b.sum().backward()
    assert torch.equal(clean.grad, dirty.grad)


def test_value_error_trains_the_critic_alone():
    values, old, returns = (noise((2, 3), i).requires_grad_() for i in range(3))
    value_error(values, old, returns, torch.ones(2, 3, dtype=torch.bool)).sum().backward()
    assert values.grad.any()
    assert old.grad is None
    assert returns.grad is None


def test_gradcheck():
    values, old, returns = noise((2, 3), 0).requires_grad_(), noise((2, 3), 1), noise((2, 3), 2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert torch.autograd.gradcheck(lambda v: value_error(v, old, returns, mask), (values,))


def test_bad_input_is_named(without_shape_checks):
    x, y, mask, wide = torch.zeros(2, 3), torch.zeros(2), torch.ones(2, 3).bool(), torch.ones(2, 4).bool()
    cases = [
        (lambda: token_rewards(y[:1], x, x, mask, kl_coef=0.1), r"scores must have shape \(2,\), got \(1,\)"),
        (lambda: token_rewards(y.long(), x, x, mask, kl_coef=0.1), "scores must be a floating-point tensor"),
        (lambda: token_rewards(y, x, x[:1], mask, kl_coef=0.1), r"ref_logprobs must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: token_rewards(y, x, x, wide, kl_coef=0.1), r"mask must have shape \(2, 3\), got \(2, 4\)"),
        (lambda: token_rewards(y, x, x, mask, kl_coef=-1.0), "kl_coef must be a finite number >= 0, got -1.0"),
        (lambda: generalized_advantages(x, x[:1], mask), r"values must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: generalized_advantages(x, x, wide), r"mask must have shape \(2, 3\), got \(2, 4\)"),
        (lambda: generalized_advantages(x.long(), x, mask), "rewards must be a floating-point tensor"),
        (lambda: generalized_advantages(x, [0.0], mask), "values must be a floating-point tensor, got list"),
        (lambda: generalized_advantages(x, x.long(), mask), "values must be a floating-point tensor"),
        (lambda: generalized_advantages(x, x, mask, gamma=1.5), r"gamma must be a number in \[0, 1\], got 1.5"),
        (lambda: generalized_advantages(x, x, mask, gae_lambda=-1), r"gae_lambda must be a number in \[0, 1\], got -1"),
        (lambda: generalized_advantages(x, x, mask, gamma=math.nan), r"gamma must be a number in \[0, 1\], got nan"),
        (lambda: whiten(x * math.nan, mask), r"advantages must be finite, got nan at index \(0,\)"),
        (lambda: generalized_advantages(x[0, 0], x[0, 0], mask[0, 0]), "rewards must have at least 1 dimensions"),
        (
            lambda: token_rewards(y[0], x[0, 0], x[0, 0], mask[0, 0], kl_coef=0.1),
            "mask must have at least 1 dimensions",
        ),
        (lambda: generalized_advantages(x, x, mask, gamma=torch.ones(1)), r"gamma must be a number in \[0, 1\]"),
        (lambda: whiten(x, wide), r"mask must have shape \(2, 3\), got \(2, 4\)"),
        (lambda: whiten(x, x), "mask must be a boolean tensor"),
        (lambda: whiten(x.long(), mask), "advantages must be a floating-point tensor"),
        (lambda: value_error(x, x[:1], x, mask), r"old_values must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: value_error(x, x, x[:1], mask), r"returns must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: value_error(x, x, x, wide), r"mask must have shape \(2, 3\), got \(2, 4\)"),
        (lambda: value_error(x.long(), x, x, mask), "values must be a floating-point tensor"),
        (lambda: value_error(x, x.long(), x, mask), "old_values must be a floating-point tensor"),
        (lambda: value_error(x, x, x.long(), mask), "returns must be a floating-point tensor"),
        (lambda: value_error(x, x, x, mask, clip_range=-0.1), "clip_range must be a finite number >= 0, got -0.1"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=rf"^{message}"):
            call()
