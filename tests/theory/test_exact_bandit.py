"""Value, gradient, Jacobian, moments of the exact bandit: brute force over K^G groups, differences, autograd."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.equations import twins
from tests.strategies import noise, seeds
from theory.exact import ExactBandit, expected_update

POOLS = ("with_reference", "outputs")
H = 1e-5


def differences(function, logits):
    """Central differences: column b is ∂/∂θ_b."""
    steps = H * np.eye(len(logits))
    return np.stack([(function(logits + step) - function(logits - step)) / (2 * H) for step in steps], axis=-1)


def brute_force(bandit, logits):
    """E[ĝ] and E[ĝ ĝᵀ] over all K^G groups, advantages by the plain Python twin."""
    G, tau = bandit.group_size, bandit.temperature
    pi = np.exp(logits) / np.exp(logits).sum()
    sampling = np.exp(logits / tau) / np.exp(logits / tau).sum()
    one_hot, first, second = np.eye(len(pi)), np.zeros(len(pi)), np.zeros((len(pi), len(pi)))
    for group in itertools.product(range(len(pi)), repeat=G):
        A_o, A_y = twins.advantages([bandit.rewards[a] for a in group], bandit.rewards[bandit.reference], bandit.pool)
        w_o = [float((1 + bandit.lam) * a / G) for a in A_o]
        w_y = float(bandit.beta * A_y - bandit.lam * sum(A_o) / G)
        w_y = max(w_y, 0.0) if bandit.only_when_ahead else w_y
        weights = [*zip(group, w_o, strict=True), (bandit.reference, w_y)]
        g = sum(weight * (one_hot[action] - pi) for action, weight in weights)
        first += np.prod(sampling[list(group)]) * g
        second += np.prod(sampling[list(group)]) * np.outer(g, g)
    return first, second


def random_bandit(seed, size, pool, repair, grid, temperature=1.0):
    rewards = noise((4,), seed + 1).numpy()
    if grid:  # several actions share a level
        rewards = np.array([0.5, 1, 1, 0.5]) * grid
    return ExactBandit(rewards, 1, size, pool=pool, only_when_ahead=repair, temperature=temperature)


bandits = st.builds(
    random_bandit,
    seeds,
    st.sampled_from([2, 3]),
    st.sampled_from(POOLS),
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from([1.0, 0.7]),
)


@settings(max_examples=15)
@given(bandits, seeds)
def test_moments_are_sums_over_all_groups(bandit, seed):
    logits = noise((4,), seed).numpy()
    first, second = brute_force(bandit, logits)
    np.testing.assert_allclose(bandit.update(logits), first, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(bandit.second_moment(logits), second, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(bandit.variance(logits), second - np.outer(first, first), rtol=1e-9, atol=1e-12)
    assert np.linalg.eigvalsh(bandit.variance(logits)).min() > -1e-12


@settings(max_examples=30)
@given(bandits, seeds)
def test_jacobian_is_that_of_the_update(bandit, seed):
    logits = noise((4,), seed).numpy()
    np.testing.assert_allclose(bandit.jacobian(logits), differences(bandit.update, logits), rtol=1e-5, atol=1e-8)


@given(bandits, seeds)
def test_gradient_is_that_of_the_value_by_autograd(bandit, seed):
    logits = noise((4,), seed).requires_grad_()
    value = logits.softmax(-1) @ torch.from_numpy(bandit.rewards)
    (gradient,) = torch.autograd.grad(value, logits)
    assert bandit.value(logits.detach().numpy()) == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(bandit.gradient(logits.detach().numpy()), gradient.numpy(), rtol=1e-9, atol=1e-14)


@given(bandits, seeds)
def test_update_is_the_gradient_of_the_objective_whose_sampler_is_frozen(bandit, seed):
    logits = noise((4,), seed).numpy()
    frozen = differences(lambda moving: bandit.objective(moving, logits), logits)
    np.testing.assert_allclose(bandit.update(logits), frozen, rtol=1e-5, atol=1e-8)
    if (
        bandit.reference == 1 and np.linalg.norm(bandit.update(logits)) > 0.1
    ):  # control: with the sampler moving it is not
        moving = differences(lambda logits: bandit.objective(logits, logits), logits)
        assert np.abs(bandit.update(logits) - moving).max() > 1e-4


@given(seeds, st.integers(2, 5))
def test_without_the_deviation_the_update_is_the_policy_gradient(seed, size):
    logits, rewards = noise((4,), seed).numpy(), noise((4,), seed + 1).numpy()
    plain = ExactBandit(rewards, 0, size, beta=0, lam=0, pool="outputs", normalised=False)
    expected = (size - 1) / size * plain.gradient(logits)  # the mean of a group holds the sample itself: (G − 1)/G
    np.testing.assert_allclose(plain.update(logits), expected, rtol=1e-8, atol=1e-12)


def test_second_moment_by_hand():
    # K = 2, G = 2, rewards 1 and 0, π = ½: half the groups are mixed, with Â = ±1 and ĝ = ½(e_1 − e_2)·(1 + λ)
    bandit = ExactBandit(np.array([1.0, 0]), 0, 2, beta=0, lam=0, pool="outputs")
    np.testing.assert_allclose(bandit.update(np.zeros(2)), [0.25, -0.25])
    np.testing.assert_allclose(bandit.second_moment(np.zeros(2)), [[0.125, -0.125], [-0.125, 0.125]])
    np.testing.assert_allclose(bandit.variance(np.zeros(2)), [[0.0625, -0.0625], [-0.0625, 0.0625]])


def test_expectation_of_a_function_of_the_group():
    bandit = ExactBandit(np.array([1.0, 0]), 0, 4)
    counts, *_ = bandit.groups()
    assert bandit.expectation(np.zeros(2), np.ones(len(counts))) == pytest.approx(1)
    assert bandit.expectation(np.zeros(2), counts[:, 1]) == pytest.approx(2)  # of 4 samples, half succeed


def test_the_class_and_the_function_are_one():
    settings = {"group_size": 3, "beta": 0.3, "lam": 0.2, "pool": "outputs", "only_when_ahead": True}
    logits, rewards = noise((5,), 0).numpy(), noise((5,), 1).numpy()
    bandit = ExactBandit(rewards, 2, **settings)
    assert np.array_equal(bandit.update(logits), expected_update(logits, rewards, 2, **settings))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rewards": np.zeros((2, 2))}, r"rewards must have shape \(K,\), got \(2, 2\)"),
        ({"temperature": 0.0}, "temperature must be a finite number > 0, got 0.0"),
        ({"temperature": np.nan}, "temperature must be a finite number > 0, got nan"),
        ({"rewards": np.arange(50.0)}, r"group_size 8 with 50 distinct rewards has .* group_size 4 would finish"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExactBandit(**({"rewards": np.array([1.0, 0]), "reference": 0} | arguments))


@pytest.mark.parametrize("method", ["value", "gradient", "update", "jacobian", "second_moment", "variance", "policy"])
def test_bad_logits_are_named_by_every_method(method):
    bandit = ExactBandit(np.array([1.0, 0]), 0)
    with pytest.raises(ValueError, match=r"logits and rewards must both have shape \(K,\), got \(3,\) and \(2,\)"):
        getattr(bandit, method)(np.zeros(3))
    with pytest.raises(ValueError, match="must be finite, got logits"):
        getattr(bandit, method)(np.array([0, np.inf]))
