"""Rules: the enumeration over them is the exact bandit's, and their runs follow it on average."""

from math import sqrt

import numpy as np
import pytest
import torch

from theory.exact import expected_update
from theory.multi import AFTER, BEFORE, multi, multi_advantages
from theory.rules import climb, every_group, field, grao, grpo, probability
from theory.several import KINDS, advantages, chosen, several, weights
from theory.shared import RATE, imitated, sft, train

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


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_several_references_is_the_only_one(kind):
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    assert field(several(rewards, [1], kind), PI, 5)[0].numpy() == pytest.approx(exact(only_when_ahead=True), abs=1e-12)
    two = field(several(rewards, [1, 3], kind), PI, 5)[0].numpy()
    assert two != pytest.approx(exact(only_when_ahead=True), abs=1e-3)


def test_two_references_by_hand():
    # G = 2 samples fail, both references have 1: pool (0, 0, 1, 1), Â = −1, −1, 1, 1, so Ā = −1
    nothing, right = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    A_o, A_y = advantages(nothing, right)
    assert weights(A_o, A_y, chosen(right, "averaged"))[1].tolist() == [[pytest.approx(1.1 / 2)] * 2]
    assert weights(A_o, A_y, chosen(right, "best alone"))[1].tolist() == [[pytest.approx(1.1), 0.0]]


def test_two_rewards_by_hand():
    # rewards (10, 0) and (0, 1), weights one half: summed 5 and 1/2; each alone is ±1, which cancel
    rewards, halves = torch.tensor([[[10.0, 0.0], [0.0, 1.0]]]), torch.tensor([0.5, 0.5])
    assert multi_advantages(rewards, rewards, halves, AFTER).tolist() == [[1, -1]]
    assert multi_advantages(rewards, rewards, halves, BEFORE).tolist() == [[0, 0]]


@pytest.mark.parametrize("order", [AFTER, BEFORE])
def test_one_reward_is_grao_in_either_order(order):
    table, one = torch.tensor(REWARDS, dtype=torch.float64)[:, None], torch.ones(1, dtype=torch.float64)
    found = field(multi(table, one, order, 1), PI, 5)[0].numpy()
    assert found == pytest.approx(exact(only_when_ahead=True), abs=1e-12)


def test_shared_weights_are_features_times_w_by_autograd():
    # a step on W from log-likelihoods of both prompts moves the two rows of logits as `train` does
    cosine, answers = 0.5, 3
    features = torch.tensor([[1.0, 0.0], [cosine, sqrt(1 - cosine**2)]], dtype=torch.float64)
    W = torch.zeros(2, answers, dtype=torch.float64, requires_grad=True)
    log_pi = (features @ W).log_softmax(-1)
    (0.5 * log_pi[0, 2] + log_pi[1, 1]).backward()
    by_hand = features @ (RATE * W.grad)
    theta = torch.zeros(2, 1, answers, dtype=torch.float64)
    for given, same in ((cosine, True), (0.0, False)):
        moved = train(theta, given, sft(1, answers), imitated(2), 1, 0)[:, 0]
        assert torch.allclose(moved, by_hand) == same
