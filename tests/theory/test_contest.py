"""The race of exp-race: its tables, its runs, and how they are read off."""

import numpy as np
import pytest
import torch

from theory import judged, runs
from theory.arrivals import first_arrivals
from theory.contest import CONTESTANTS, QUERIES, RATES, Entry, arrivals, entries, mean_wait
from theory.tables import ABSENT, JUDGING_SEED, KINDS, TUNING_SEED, drawn
from theory.tuned import TUNED, entry_of


def test_tables_are_of_the_stated_distribution():
    tables = drawn(400, 3)
    shares = np.exp(tables.logits)
    assert np.allclose(shares.sum(1), 1)
    assert [int((tables.kind == kind).sum()) for kind in range(4)] == [100] * 4
    kinds = {name: tables.rewards[tables.kind == index] for index, name in enumerate(KINDS)}
    assert (kinds["best"][:, 1] == 1).all()
    assert (tables.logits[tables.kind == 0, 0] == ABSENT).all()
    assert (kinds["good"][:, 1] >= 0.5).all()
    assert (kinds["poor"][:, 1] <= 0.4).all()
    assert (kinds["poor"][:, 2] >= 0.2).all()
    assert (kinds["wrong"][:, 1] == 0).all()
    assert 0.15 < (tables.noise > 0).mean() < 0.35
    assert tables.rarity.min() >= 0.003
    assert tables.rarity.max() <= 0.1
    assert set((tables.logits[:, 3:] > ABSENT).sum(1)) == {1, 2, 4, 8}


def test_the_tables_that_judge_are_others_than_those_that_tuned():
    tuning, judging = drawn(24, TUNING_SEED), drawn(48, JUDGING_SEED)
    assert not set(tuning.rarity) & set(judging.rarity)
    assert (drawn(24, TUNING_SEED).logits == tuning.logits).all()


def test_arrivals_are_those_of_the_plain_loop():
    tables = drawn(4, 5)
    calm = type(tables)(tables.rewards, tables.logits, 0 * tables.noise, tables.kind, tables.rarity)
    found = arrivals(Entry("GRPO", "sgd", 0.8), calm, 10, 30)
    rewards, logits = (torch.tensor(each).repeat_interleave(10, 0) for each in (calm.rewards, calm.logits))
    config = runs.settings(method="grpo", learning_rate=0.8, max_steps=30)
    assert found.ravel().tolist() == first_arrivals(rewards, logits, config, 4).tolist()
    noisy = type(tables)(tables.rewards, tables.logits, 0 * tables.noise + 0.5, tables.kind, tables.rarity)
    assert (arrivals(Entry("GRPO", "sgd", 0.8), noisy, 10, 30) != found).any()


def test_steps_of_sft_are_counted():
    tables = drawn(8, 5)
    waits = arrivals(Entry("SFT, then GRPO", "sgd", 0.8, lessons=16), tables, 4, 60)
    assert waits[np.isfinite(waits)].min() >= 1
    assert waits[tables.kind == 0].min() < 16 + 20  # where y is best SFT alone arrives


@pytest.mark.parametrize("name", CONTESTANTS)
def test_equal_queries(name, monkeypatch):
    """A step asks for eight rewards: one of them is the reference's where the method reads it."""
    asked, seen = [], runs.settings

    def settings(**changes):
        asked.append(seen(**changes))
        return asked[-1]

    monkeypatch.setattr(runs, "settings", settings)
    arrivals(Entry(name, "adam", 0.1, 2 if CONTESTANTS[name].lessons else 0), drawn(4, 5), 2, 4)
    assert asked[-1].num_generations + CONTESTANTS[name].reads_reference == QUERIES


def test_every_contestant_has_a_tuned_entry_that_was_tried():
    assert {(entry.name, entry.optimizer) for entry in TUNED} == {(n, o) for n in CONTESTANTS for o in RATES}
    assert all(entry in entries(entry.name, entry.optimizer) for entry in TUNED)
    assert entry_of("GRPO", "adam").name == "GRPO"


def test_a_run_that_does_not_arrive_counts_one_step_more():
    assert mean_wait(np.array([[1.0, np.inf], [3.0, 20.0]]), 9) == (1 + 10 + 3 + 10) / 4


def test_ratios_and_leads_of_known_runs(monkeypatch):
    half, whole = np.full((16, 4), 10.0), np.full((16, 4), 20.0)
    whole[:8, 0] = np.inf
    monkeypatch.setattr(judged, "waits_of", lambda size: {("a", "adam"): half, ("b", "adam"): whole})
    middle, low, high = judged.ratio("quick", "a", "b", "adam")
    assert middle == 10 / ((20 * 3 + (20 + 121) / 2) / 4)
    assert low < middle < high
    assert judged.lead("quick", "a", "b", "adam")[0] == 0.125
    assert judged.summary("quick", "b", "adam")[4] == 56 / 64
