"""Typical wrong answers to the exercises of tutorial 4: each must be rejected with a hint."""

from itertools import product
from math import prod

import numpy as np


def _update(
    probabilities: list[float],
    rewards: list[float],
    group_size: int,
    *,
    ddof: int = 0,
    uniform: bool = False,
    divide: bool = True,
) -> list[float]:
    pi = np.array(probabilities)
    push = np.zeros(len(pi))
    for group in product(range(len(pi)), repeat=group_size):
        earned = np.array([rewards[each] for each in group])
        if np.ptp(earned) == 0:
            continue
        weights = (earned - earned.mean()) / earned.std(ddof=ddof)
        weights = weights / group_size if divide else weights
        probability = len(pi) ** -group_size if uniform else prod(pi[list(group)])
        for answer, weight in zip(group, weights, strict=True):
            push += probability * weight * (np.eye(len(pi))[answer] - pi)
    return [float(each) for each in push]


def expected_update__every_group_alike(
    probabilities: list[float], rewards: list[float], group_size: int
) -> list[float]:
    """Every group counts the same, however likely it is."""
    return _update(probabilities, rewards, group_size, uniform=True)


def expected_update__sample_deviation(probabilities: list[float], rewards: list[float], group_size: int) -> list[float]:
    """Divides by G − 1 in σ."""
    return _update(probabilities, rewards, group_size, ddof=1)


def expected_update__sum_over_the_group(
    probabilities: list[float], rewards: list[float], group_size: int
) -> list[float]:
    """Forgets 1/G."""
    return _update(probabilities, rewards, group_size, divide=False)


def expected_update__deviation_compared_with_zero(
    probabilities: list[float], rewards: list[float], group_size: int
) -> list[float]:
    """`if s == 0`, which rounding passes by."""
    push = [0.0] * len(rewards)
    for group in product(range(len(rewards)), repeat=group_size):
        earned = [rewards[each] for each in group]
        mean = sum(earned) / group_size
        sigma = (sum((each - mean) ** 2 for each in earned) / group_size) ** 0.5
        if sigma == 0:
            continue
        share = prod(probabilities[each] for each in group)
        for answer, each in zip(group, earned, strict=True):
            for a, pi in enumerate(probabilities):
                push[a] += share * (each - mean) / sigma / group_size * ((a == answer) - pi)
    return push


def who_is_ahead__always_grao() -> list[str]:
    """As if the head start lasted."""
    return ["GRAO"] * 4


def who_is_ahead__always_grpo() -> list[str]:
    """As if GRPO overtook everywhere."""
    return ["GRPO"] * 4


def who_is_ahead__too_few() -> list[str]:
    """Three names."""
    return ["GRPO", "GRAO", "GRAO"]


def best_settings__of_the_tutorial() -> dict[str, str | float | int]:
    """Steps that are too short."""
    return {"method": "grpo", "learning_rate": 0.2, "num_generations": 8}


def best_settings__grao() -> dict[str, str | float | int]:
    """The plateau."""
    return {"method": "grao", "learning_rate": 0.4, "num_generations": 8}


def who_is_ahead__imitation_hinders_who_knows_y() -> list[str]:
    """As if GRAO differed by its imitation alone: its steps are longer too."""
    return ["GRPO", "GRPO", "GRAO", "GRAO"]
