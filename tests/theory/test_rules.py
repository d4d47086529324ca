"""Rules: the enumeration over them is the exact bandit's, and their runs follow it on average."""

from math import sqrt

import numpy as np
import pytest
import torch

from theory.exact import expected_update
from theory.rules import climb, every_group, field, grao, grpo, probability

REWARDS = [1.0, 0.6, 0.0, 0.3]
PI = torch.tensor([[0.1, 0.2, 0.4, 0.3]], dtype=torch.float64)


def exact(**change):
    settings = {"group_size": 5, "beta": 0.5, "lam": 0.6} | change
    return expected_update(np.log(PI[0].numpy()), np.array(REWARDS), 1, **settings)


@pytest.mark.parametrize("pool", ["with_reference", "outputs"])
@pytest.mark.parametrize("ahead", [True, False])
def test_the_field_of_a_rule_is_that_of_the_exact_bandit_where_the_reference_is_scored_right(pool, ahead):
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    right, wrong = (field(grao(rewards, 1, c, pool=pool, ahead=ahead), PI, 5)[0].numpy() for c in (0.6, 0.9))
    assert right == pytest.approx(exact(pool=pool, only_when_ahead=ahead), abs=1e-12)
    assert wrong != pytest.approx(right, abs=1e-3)


def test_grpo_has_no_reference():
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    assert field(grpo(rewards), PI, 5)[0].numpy() == pytest.approx(exact(beta=0.0, lam=0.0, pool="outputs"), abs=1e-12)


def test_the_groups_are_all_there_are():
    ids, ways = every_group(4, 5)
    assert len(ids) == 56
    assert float(probability(ids, ways, PI).sum()) == pytest.approx(1)


def test_one_small_step_of_many_seeds_is_the_field_on_average():
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    rule, rows = grao(rewards, 1, 0.6), PI.expand(20000, -1)
    (moved,) = climb(rule, rows, [1e-3], 1)
    for right, policy in ((True, field(rule, PI, 8)), (False, field(grpo(rewards), PI, 8))):
        value = (PI.log() + 1e-3 * policy).softmax(-1) @ rewards
        seen = moved[0] @ rewards
        assert (abs(float(seen.mean() - value)) < 4 * float(seen.std()) / sqrt(20000)) == right
