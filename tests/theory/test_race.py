"""The runs behind exp-map: exact intervals, arrivals, and rates that are given up only when they cannot win."""

import numpy as np
import pytest
import torch

from theory import race, runs
from theory.arrivals import first_arrivals, rare
from theory.intervals import quantile_interval


def test_the_map_s_interval_covers_the_quantile_as_often_as_it_says_and_no_shorter_one_does():
    draws = np.random.default_rng(0).geometric(0.1, size=(4000, 200)).astype(float)
    true = 22  # P(X <= 22) = 1 − 0.9^22 = 0.9015, and 0.891 at 21
    low, high = quantile_interval(draws, 0.9, 0.05)
    assert ((low <= true) & (true <= high)).mean() > 0.945
    low, high = quantile_interval(draws, 0.9, 0.5)
    assert ((low <= true) & (true <= high)).mean() < 0.9


def test_the_map_s_interval_by_hand():
    # three runs: P(all three <= q) = 0.729 is more than a quarter, so nothing is known from above
    low, high = quantile_interval(np.array([3.0, 1.0, 2.0]), 0.9, 0.5)
    assert (low, high) == (2, np.inf)


def test_the_map_s_arrivals_by_hand():
    # greedy in one step from a rate this large: V = 1 after it, or the worst answer for ever
    rewards, logits = torch.tensor([[1.0, 0.0]]).repeat(400, 1), torch.zeros(400, 2)
    config = runs.settings(method="grpo", learning_rate=50.0, max_steps=5)
    first = first_arrivals(rewards, logits, config, 2)
    assert ((first == 1) | first.isinf()).float().mean() > 0.98  # but for groups without both, which wait
    assert (first_arrivals(rewards, logits + torch.tensor([9.0, 0.0]), config, 2) == 0).all()


def test_the_map_s_rates_that_are_given_up_could_not_have_won():
    cells = race.Grid((0.1,), (0.5,), 300, 40)
    kept = race.collected([race._of_row("GRPO", cells.rates[0], cells, 0.01)])
    config = {rate: runs.settings(method="grpo", learning_rate=rate, max_steps=40) for rate in race.RATES}
    rewards, logits = (
        torch.tensor([[1.0, 0.5, 0.0]]).repeat(300, 1),
        torch.tensor([[0.1, 0.1, 0.8]]).log().repeat(300, 1),
    )
    whole = [first_arrivals(rewards, logits, each, 1).numpy() for each in config.values()]
    assert kept.quantile[0, 0, 0] == min(np.quantile(each, 0.9, method="higher") for each in whole)
    assert kept.median[0, 0, 0] == min(np.median(each) for each in whole)


def test_a_rate_that_is_slow_in_one_cell_is_not_given_up_for_another(monkeypatch):
    # the first rate is best where y is best, at once; the second where y can be beaten: both must be seen to the end
    monkeypatch.setattr(race, "RATES", (6.4, race.ONE_RATE, 0.8))
    cells = race.Grid((0.05,), (0.7, 1.0), 300, 60)
    kept = race.collected([race._of_row("GRAO repaired", cells.rates[0], cells, 0.01)])
    rewards = torch.tensor([[1.0, q, 0.0] for q in cells.qualities]).repeat_interleave(300, 0)
    configs = [runs.settings(method="grao", learning_rate=rate, max_steps=60) for rate in race.RATES]
    whole = [first_arrivals(rewards, rare(0.05, 1, 600), each, 2).view(2, -1).numpy() for each in configs]
    for column in range(2):
        waits = np.stack([each[column] for each in whole])
        low, high = quantile_interval(waits, 0.9, 0.01)
        assert kept.quantile[:, 0, column].tolist() == [
            np.quantile(waits, 0.9, axis=-1, method="higher").min(),
            low.min(),
            high.min(),
        ]
        low, high = quantile_interval(waits[1], 0.5, 0.01)
        assert kept.one_rate[1:, 0, column].tolist() == [low, high]


def test_runs_end_only_when_the_intervals_are_known():
    assert race.each_miss(race.grid("default")) == pytest.approx(0.05 / (9 * 5 * 11))
    for size in ("quick", "default", "full"):
        cells = race.grid(size)
        n, miss = cells.seeds, race.each_miss(cells)
        waits = np.arange(1.0, n + 1)
        assert quantile_interval(waits, race.SHARE, miss)[1] < race.ENOUGH * n
        assert quantile_interval(waits, 0.5, miss)[1] < race.MOST * n


@pytest.mark.xdist_group("map")  # reads the map, as claim-7 does
def test_the_map_s_control_is_another_draw_and_its_ratio_the_worse_ends():
    found = race.steps_to_goal("quick")
    assert (found[race.CONTROL].quantile != found["GRPO"].quantile).any()
    for of in ("quantile", "median", "one_rate", "adam"):
        one, other = getattr(found["GRAO repaired"], of), getattr(found["GRPO"], of)
        beyond = race.grid("quick").steps + 1
        low, high = race.ratio("GRAO repaired", "quick", of)[1:]
        assert np.array_equal(low, np.maximum(np.minimum(one[1], beyond), 1) / np.maximum(other[2], 1))
        assert np.array_equal(high, np.maximum(one[2], 1) / np.maximum(np.minimum(other[1], beyond), 1))


def test_with_more_ways_to_fail_the_start_is_as_rare():
    for failures in (1, 8):
        pi = rare(0.05, failures, 3).softmax(-1)
        assert pi[:, :2].flatten().tolist() == pytest.approx([0.05] * 6)
        assert pi[:, 2:].sum(-1).tolist() == pytest.approx([0.9] * 3)


@pytest.mark.xdist_group("map")
def test_the_map_against_itself_is_one():
    against_itself = race.ratio("GRPO", "quick", against="GRPO")
    assert (against_itself[0] == 1).all()
    assert (against_itself[1] < 1).all()
    assert (against_itself[2] > 1).all()


def test_the_map_s_costs_count_sft_s_lessons_and_the_reference():
    assert race.costs("GRPO", np.array(10.0), np.array(0.0))["answers trained on"] == 80
    assert race.costs("GRAO repaired", np.array(10.0), np.array(0.0))["reward queries"] == 90
    staged = race.costs("SFT, then GRPO", np.array(0.0), np.array(30.0))
    assert (staged["samples"], staged["answers trained on"]) == (8, 38)


@pytest.mark.xdist_group("map")
def test_what_reads_the_map_runs_in_the_worker_that_has_made_it(request):
    """xdist sends tests to one worker by what stands behind the @ of their ids."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests run in one process, or are not sent by their groups")
    assert request.node.nodeid.endswith("@map")
    ids = {item.nodeid for item in request.session.items}
    settled = {id for id in ids if "test_claims.py" in id and "[claim-7]" in id}
    assert settled <= {id for id in ids if id.endswith("@map")}
