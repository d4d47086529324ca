"""The Bradley-Terry fit: optimal by its gradient, standardised, blind to a constant; accuracies by hand."""

import math

import numpy as np
import pytest

from grao_ref.rewards.fit import accuracy, choose_l2, fit_head


def pairs(count, seed=0, noise=0.0, size=3):
    """Synthetic answers; a hidden direction decides which one is chosen."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, count, size)) * [1.0, 100.0, 0.01] + 5.0
    better = (first - second) @ [1.0, -0.02, 0.0] + noise * rng.normal(size=count) > 0
    return np.where(better[:, None], first, second), np.where(better[:, None], second, first)


def test_the_fit_stands_where_the_gradient_vanishes():
    chosen, rejected = pairs(200, noise=1.0)
    weights, _ = fit_head(chosen, rejected, l2=0.1)
    deviations = np.concatenate([chosen, rejected]).std(axis=0)
    direction, scaled = weights * deviations, (chosen - rejected) / deviations
    # The weights come back at another length; the optimum is the one along them where the slope is 0.
    lengths = np.linspace(0.01, 3, 20_000)
    margins = scaled @ direction
    losses = np.logaddexp(0, -np.outer(lengths, margins)).mean(axis=1) + 0.05 * lengths**2 * (direction @ direction)
    optimum = lengths[losses.argmin()] * direction
    pull = 1 / (1 + np.exp(scaled @ optimum))
    np.testing.assert_allclose(0.1 * optimum, scaled.T @ pull / 200, atol=2e-4)


def test_one_feature_by_hand():
    """Chosen 3 and 1, rejected 1 and -1, mean 1 and deviation √2: scores (f − 1) / √2 whatever the penalty."""
    weights, bias = fit_head(np.array([[3.0], [1.0]]), np.array([[1.0], [-1.0]]), l2=0.7)
    assert weights == pytest.approx([1 / math.sqrt(2)])
    assert bias == pytest.approx(-1 / math.sqrt(2))


def test_scores_have_mean_0_and_deviation_1_over_the_answers():
    chosen, rejected = pairs(50)
    weights, bias = fit_head(chosen, rejected, l2=0.01)
    scores = np.concatenate([chosen, rejected]) @ weights + bias
    assert scores.mean() == pytest.approx(0, abs=1e-9)
    assert scores.std() == pytest.approx(1)


def test_swapped_pairs_turn_the_head_round():
    chosen, rejected = pairs(50, noise=1.0)
    weights, _ = fit_head(chosen, rejected, l2=0.1)
    turned, _ = fit_head(rejected, chosen, l2=0.1)
    np.testing.assert_allclose(turned, -weights, rtol=1e-3)


def test_the_units_of_a_feature_do_not_matter_and_a_constant_one_gets_nothing():
    chosen, rejected = pairs(50, noise=1.0)
    weights, _ = fit_head(chosen, rejected, l2=0.1)
    units = np.array([1.0, 1000.0, 1e-3])
    rescaled, _ = fit_head(chosen * units, rejected * units, l2=0.1)
    np.testing.assert_allclose(rescaled * units, weights, rtol=1e-6)
    ones = np.full((50, 1), 7.0)
    constant, _ = fit_head(np.hstack([chosen, ones]), np.hstack([rejected, ones]), l2=0.1)
    assert constant[-1] == 0.0
    assert constant[:-1] == pytest.approx(weights)


def test_pairs_that_teach_nothing_are_refused():
    same = np.ones((4, 2))
    with pytest.raises(ValueError, match="teach nothing"):
        fit_head(same, same, l2=0.1)


def test_a_hidden_preference_is_found_on_new_pairs_and_noise_is_not():
    weights, _ = fit_head(*pairs(300), l2=0.01)
    chosen, rejected = pairs(300, seed=1)
    assert accuracy((chosen - rejected) @ weights).low > 0.9
    coin = np.random.default_rng(2).random(300)[:, None] < 0.5  # control: who was chosen is decided by a coin
    weights, _ = fit_head(np.where(coin, chosen, rejected), np.where(coin, rejected, chosen), l2=0.01)
    found = accuracy((chosen - rejected) @ weights)
    assert found.mean < 0.9


def test_cross_validation_wants_less_of_noise():
    groups = [str(number) for number in range(100)]
    clear, noisy = pairs(100, size=3), pairs(100, noise=30.0)
    assert choose_l2(*clear, groups, seed=0) < choose_l2(*noisy, groups, seed=0)


def test_folds_never_split_a_group():
    """Pairs without a pattern, each twice: a fit on one half can memorise the other."""
    rng = np.random.default_rng(0)
    chosen, rejected = np.tile(rng.normal(size=(2, 40, 60)), (1, 2, 1))
    together = [str(number) for number in range(40)] * 2
    apart = [str(number) for number in range(80)]  # control: every pair is treated as if it had its own prompt
    assert choose_l2(chosen, rejected, together, seed=0) > 10 * choose_l2(chosen, rejected, apart, seed=0)


def test_cross_validation_takes_as_many_groups_as_folds():
    chosen, rejected = pairs(4)
    with pytest.raises(ValueError, match="takes at least 5 prompts, got 4; set l2"):
        choose_l2(chosen, rejected, list("abcd"), seed=0)


def test_accuracy_by_hand():
    found = accuracy(np.array([2.0, 1.0, 0.5, -1.0]))
    assert (found.mean, found.pairs) == (0.75, 4)
    z, n, p = 1.959963984540054, 4, 0.75  # Wilson's interval, written out
    centre, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.low == pytest.approx(centre - half / (1 + z * z / n))
    assert found.high == pytest.approx(centre + half / (1 + z * z / n))
    assert accuracy(np.array([0.0, 0.0])).mean == 0.5
    with pytest.raises(ValueError, match="at least one pair"):
        accuracy(np.array([]))
