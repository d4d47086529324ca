"""The exact field against brute force over all K^G groups, and against itself in its symmetries and limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.equations.test_enumeration import BETA, LAM, closed_form
from tests.strategies import noise, seeds
from theory.exact import MAX_CELLS, compositions, expected_update

POOLS = ("with_reference", "outputs")


@settings(max_examples=20)
@given(seeds, st.sampled_from([2, 3]), st.sampled_from(POOLS), st.booleans(), st.sampled_from([None, 1, 2]))
def test_expected_update_is_the_sum_over_all_groups(seed, size, pool, repair, grid):
    logits, rewards = noise((4,), seed).numpy(), noise((4,), seed + 1).numpy()
    if grid:  # rewards that coincide: several actions share a level, twice over
        rewards = np.array([0.5, 1, 1, 0.5]) * grid
    _, expected = closed_form(logits, rewards.tolist(), 1, size, pool, repair)
    update = expected_update(logits, rewards, 1, group_size=size, beta=BETA, lam=LAM, pool=pool, only_when_ahead=repair)
    assert update.dtype == np.float64
    assert update.tolist() == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)


def test_an_action_of_probability_0_is_never_sampled():
    settings = {"group_size": 3, "beta": BETA, "lam": LAM}
    update = expected_update(np.array([0.0, 0.0, -1.7e308]), np.array([1.0, 0.0, 0.5]), 0, **settings)
    two = expected_update(np.array([0.0, 0.0]), np.array([1.0, 0.0]), 0, **settings)
    assert update.tolist() == pytest.approx([*two.tolist(), 0])


@given(st.integers(0, 6), st.integers(1, 5))
def test_compositions_are_all_there_once(total, parts):
    rows = compositions(total, parts)
    assert len(rows) == math.comb(total + parts - 1, parts - 1)
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)
    assert (rows.sum(1) == total).all()
    assert (rows >= 0).all()


@given(seeds, st.sampled_from(POOLS))
def test_update_has_no_component_along_equal_shifts_of_the_logits(seed, pool):
    logits, rewards = noise((6,), seed).numpy(), noise((6,), seed + 1).numpy()
    update = expected_update(logits, rewards, 0, group_size=4, beta=BETA, lam=LAM, pool=pool)
    assert update.sum() == pytest.approx(0, abs=1e-10)
    shifted = expected_update(logits + 7, rewards, 0, group_size=4, beta=BETA, lam=LAM, pool=pool)
    assert shifted.tolist() == pytest.approx(update.tolist(), rel=1e-9, abs=1e-12)


def test_thm_4_the_field_as_printed_never_vanishes_and_the_repaired_one_does():
    logits, rewards = np.array([60.0, 0, 0]), np.array([1.0, 0.5, 0])
    printed = expected_update(logits, rewards, 1, group_size=8, beta=BETA, lam=LAM)
    repaired = expected_update(logits, rewards, 1, group_size=8, beta=BETA, lam=LAM, only_when_ahead=True)
    assert np.linalg.norm(printed) == pytest.approx((BETA + LAM / 8) * math.sqrt(8) * math.sqrt(2))
    assert np.linalg.norm(repaired) < 1e-12


def test_fifty_actions_with_three_rewards_are_cheap_and_fifty_rewards_are_refused():
    rewards = np.array([1.0] + [0.5] * 9 + [0.0] * 40)
    assert len(compositions(8, 3)) == 45
    update = expected_update(np.zeros(50), rewards, 1, group_size=8, beta=BETA, lam=LAM)
    assert update[0] > 0 > update[-1]
    with pytest.raises(
        ValueError, match=r"group_size 8 with 50 distinct rewards has 1,652,411,475 terms.*group_size 4"
    ):
        expected_update(np.zeros(50), np.arange(50.0), 1, group_size=8, beta=BETA, lam=LAM)
    assert math.comb(4 + 49, 49) * 50 <= MAX_CELLS < math.comb(5 + 49, 49) * 50
    with pytest.raises(ValueError, match="what would finish is fewer distinct rewards"):
        expected_update(np.zeros(5000), np.arange(5000.0), 1, group_size=2, beta=BETA, lam=LAM)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("rewards", [[0, 1e200], [0, 1e-200], [0.1, np.nextafter(0.1, 1)], [-1.7e308, 1.7e308], [3, 5]])
def test_only_the_order_of_two_rewards_matters_however_large_or_close(rewards, pool):
    settings = {"group_size": 4, "beta": BETA, "lam": LAM, "pool": pool}
    update = expected_update(np.zeros(2), np.array(rewards), 0, **settings)
    assert update.tolist() == pytest.approx(expected_update(np.zeros(2), np.array([0.0, 1]), 0, **settings).tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.zeros(3)}, r"logits and rewards must both have shape \(K,\), got \(3,\) and \(2,\)"),
        ({"logits": np.zeros((2, 1))}, "logits and rewards must both have shape"),
        ({"rewards": np.array([0, np.nan])}, "must be finite, got"),
        ({"logits": np.array([0, np.inf])}, "must be finite, got"),
        ({"reference": 2}, "reference must be one of the 2 actions, got 2"),
        ({"reference": -1}, "reference must be one of the 2 actions, got -1"),
        ({"reference": 1.0}, "reference must be a whole number, got 1.0"),
        ({"group_size": 4.0}, "group_size must be a whole number, got 4.0"),
        ({"group_size": 1}, "group_size must be at least 2, got 1"),
        ({"beta": -0.5}, "beta and lam must be finite numbers >= 0, got -0.5 and 0.6"),
        ({"lam": np.nan}, "beta and lam must be finite numbers >= 0, got 0.5 and nan"),
        ({"pool": "all"}, "pool must be one of with_reference, outputs; got 'all'"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {
        "logits": np.zeros(2),
        "rewards": np.array([1.0, 0]),
        "reference": 0,
        "group_size": 2,
        "beta": BETA,
        "lam": LAM,
    } | change
    with pytest.raises(ValueError, match=message):
        expected_update(**arguments)
