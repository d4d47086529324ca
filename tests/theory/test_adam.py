"""Several rates of Adam in one run, for claim-12: each is the run of its own."""

import numpy as np
import pytest
import torch

from theory import adam, runs
from theory.arrivals import rare


def test_each_rate_is_a_run_of_its_own_under_adam():
    rates, rewards = (0.05, 0.3), torch.tensor([1.0, 0.7, 0.0, 0.0]).double()
    logits = rare(0.1, 2, 1).double()
    config = runs.settings(max_steps=1)
    *_, both = runs.run_adam_at(rates, rewards, 1, logits.expand(6, -1), config)
    for block, rate in zip(both.theta.view(2, 6, 4), rates, strict=True):
        first = (block - logits).abs()
        moved = first[first > 1e-3]  # Adam's first step is its rate where there is a gradient, and 0 elsewhere
        assert moved.tolist() == pytest.approx([rate] * len(moved), rel=1e-5)
        assert len(moved)


def test_one_rate_is_the_plain_run_under_adam():
    rewards, logits = torch.tensor([1.0, 0.7, 0.0, 0.0]).double(), rare(0.1, 2, 30).double()
    config = runs.settings(max_steps=25)
    plain = runs.after(rewards, 1, logits, runs.settings(max_steps=25, optimizer="adam", learning_rate=0.2))
    *_, last = runs.run_adam_at((0.2,), rewards, 1, logits, config)
    assert last.theta.numpy() == pytest.approx(plain.numpy(), abs=1e-12)
    assert (last.theta - logits).abs().max() > 0.5


def test_the_best_rate_at_the_grid_s_end_is_said():
    inside, outside = np.array([[0.1, 0.2]]), np.array([[0.1, adam.RATES[-1]]])
    found = adam.Tuned({}, {"inside": inside, "outside": outside})
    assert not found.at_edge("inside", 1)
    assert found.at_edge("outside", 1)
    assert not found.at_edge("outside", 0)
