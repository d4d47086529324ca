"""V after training on one bandit with a rare best answer: for exp-group, exp-inner and exp-temperature."""

import torch

from theory import runs
from theory.groups import Array

REWARDS, START = torch.tensor([1.0, 0.6, 0.0]), [0.05, 0.05, 0.9]


def ends(seeds: int, steps: int, **change: object) -> Array:
    """V of each seed after training."""
    rewards, logits = runs.start(REWARDS, START, seeds)
    result: Array = runs.values(rewards, 1, logits, runs.settings(max_steps=steps, **change))[-1].numpy()
    return result
