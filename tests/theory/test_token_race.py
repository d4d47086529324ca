"""The race on trees: its tables, and its runs beside those of the package's loop."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from theory import contest, tables
from theory.autoregressive import Tree
from theory.contest import CONTESTANTS, Entry
from theory.forest import Table, common, flattened, planted, policy_of
from theory.token_race import Optimizer, arrivals
from theory.token_rules import RULES, mean_likelihoods
from theory.token_tables import JUDGING_SEED, LEAST, MOST, TUNING_SEED, drawn, from_race, misled, shapes


def test_tables_are_of_the_stated_distribution():
    found = drawn(200, 3)
    assert [int(sum(each.kind == kind for each in found)) for kind in range(4)] == [50] * 4
    assert {each.tree for each in found} == set(shapes())
    for number, each in enumerate(found):
        answers = each.tree.answers
        assert LEAST <= len(answers) <= MOST
        assert np.isclose(each.shares.sum(), 1)
        assert (each.shares > 0).all()
        assert len(answers[each.best]) >= 2
        assert 0.003 <= each.shares[each.best] <= 0.1
        assert each.rewards[each.best] == 1
        assert (each.best == each.reference) == (each.kind == 0)
        if each.kind:
            assert (each.shared > 0) == bool(number // 4 % 2)
            assert 0.003 <= each.shares[each.reference] <= 0.3
        assert each.fails == len(answers) - (1, 2, 3, 1)[each.kind]
    assert 0.15 < np.mean([each.noise > 0 for each in found]) < 0.35


def test_the_tables_that_judge_are_others_than_those_that_tuned():
    tuning, judging = drawn(48, TUNING_SEED), drawn(96, JUDGING_SEED)
    rarity = [{each.shares[each.best] for each in part} for part in (tuning, judging)]
    assert not rarity[0] & rarity[1]


def test_common_prefixes_by_hand():
    assert common((0, 1, 2), (0, 1, 1)) == 2
    assert common((0,), (1, 0)) == 0
    assert common((1, 0), (1, 0)) == 2


def test_a_twin_has_the_same_answers_in_one_token_and_a_misled_table_a_failing_reference():
    for each in drawn(8, 3):
        twin = flattened(each)
        assert set(map(len, twin.tree.answers)) == {1}
        trees, one = (planted([table]) for table in (each, twin))
        value = [forest.value(np.array([0]), policy_of(forest.logits))[0] for forest in (trees, one)]
        assert value[0] == pytest.approx(value[1]) == pytest.approx(each.shares @ each.rewards)
        assert each.rewards[misled(each).reference] == 0


def test_adam_is_torch_s():
    import torch

    gradients = np.random.default_rng(0).normal(size=(5, 3, 2))
    leaf = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    torch_s, ours, theta = torch.optim.Adam([leaf], lr=0.1), Optimizer("adam"), np.zeros((3, 2))
    for gradient in gradients:
        leaf.grad = torch.tensor(-gradient)
        torch_s.step()
        theta += 0.1 * ours.step(gradient)
    assert theta == pytest.approx(leaf.detach().numpy(), abs=1e-12)


@pytest.mark.parametrize("entry", [Entry("GRPO", "sgd", 0.8), Entry("bar", "adam", 0.4), Entry("PPO", "adam", 0.4),
                                   Entry("SFT, then GRPO", "adam", 0.2, 4)], ids=lambda entry: entry.name)  # fmt: skip
def test_on_exp_race_s_own_tables_runs_wait_as_long_as_the_package_s_loop(entry):
    race, steps, seeds = tables.drawn(8, 5), 60, 60
    forest = planted(from_race(race.rewards, race.logits, race.noise, race.kind))
    theirs = np.minimum(contest.arrivals(entry, race, seeds, steps), steps + 1)

    def away(rate):
        ours = np.minimum(arrivals([replace(entry, rate=rate)], forest, seeds, steps)[0], steps + 1)
        error = sqrt((ours.var(1) + theirs.var(1)).sum() / seeds) / len(race)
        return abs(ours.mean() - theirs.mean()) / error

    assert away(entry.rate) < 4
    assert away(entry.rate / 4) > 6


def test_steps_of_sft_are_counted_and_rows_of_different_rates_are_their_own():
    forest = planted([Table(Tree(2, 2), np.array([1.0, 0, 0, 0]), np.array([0.1, 0.3, 0.3, 0.3]), 0, 0)])
    slow = Entry("SFT, then GRPO", "sgd", 1e-9, 30)
    waits = arrivals([slow, replace(slow, rate=2.0)], forest, 4, 30)
    assert np.isinf(waits[0]).all()
    assert len(set(waits[1, 0])) == 1  # SFT draws nothing
    assert 3 < waits[1, 0, 0] < 30


def test_a_row_whose_numbers_are_not_finite_has_failed_alone():
    forest = planted(drawn(4, 5))
    entries = [Entry("GRPO", "sgd", rate) for rate in (1.6, np.inf)]
    waits = arrivals(entries, forest, 4, 200)
    assert np.isinf(waits[1]).all()
    assert np.isfinite(waits[0]).any()


def test_a_rule_of_one_s_own_can_be_run():
    forest = planted(drawn(4, 5))
    still = arrivals(
        [Entry("GRPO", "sgd", 1.6)], forest, 2, 20, rule=lambda seen: mean_likelihoods(seen, 0 * seen.rewards)
    )
    assert np.isinf(still).all()
    assert set(RULES) == set(CONTESTANTS)
