"""V after training on one bandit with a rare best answer: for exp-group, exp-inner and exp-temperature."""

from collections.abc import Sequence

import torch

from theory import runs
from theory.groups import Array

REWARDS, START = torch.tensor([1.0, 0.6, 0.0]), [0.05, 0.05, 0.9]


def ends(seeds: int, steps: int, **change: object) -> Array:
    """V of each seed after training."""
    rewards, logits = runs.start(REWARDS, START, seeds)
    result: Array = runs.values(rewards, 1, logits, runs.settings(max_steps=steps, **change))[-1].numpy()
    return result


def ends_at(rates: Sequence[float], seeds: int, steps: int, **change: object) -> Array:
    """The same at each learning rate: (R, N)."""
    rewards, logits = runs.start(REWARDS, START, seeds)
    result: Array = runs.last_values(rates, rewards, 1, logits, runs.settings(max_steps=steps, **change)).numpy()
    return result
