"""Typical wrong answers to the exercises of tutorial 4: each must be rejected with a hint."""

from itertools import product
from math import prod

import numpy as np


def probability_of_silence__failures_only(probabilities: list[float], rewards: list[float], group_size: int) -> float:
    """Forgets that a group of successes is dead as well."""
    wrong = sum(p for p, reward in zip(probabilities, rewards, strict=True) if not reward)
    return wrong**group_size


def probability_of_silence__by_answer(probabilities: list[float], rewards: list[float], group_size: int) -> float:
    """The same answer G times, not the same reward."""
    return sum(p**group_size for p in probabilities)


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


def _terms(new: list[float], old: list[float], rewards: list[float]) -> tuple[np.ndarray, np.ndarray]:
    earned = np.array(rewards)
    flat = np.ptp(earned) == 0
    advantages = np.zeros(len(earned)) if flat else (earned - earned.mean()) / earned.std()
    return np.array(new) / np.array(old), advantages


def logged_loss__clip_without_min(new: list[float], old: list[float], rewards: list[float], epsilon: float) -> float:
    """Clips in both directions, so that a good answer made unlikely costs little."""
    ratio, advantages = _terms(new, old, rewards)
    return -float((ratio.clip(1 - epsilon, 1 + epsilon) * advantages).mean())


def logged_loss__no_clip(new: list[float], old: list[float], rewards: list[float], epsilon: float) -> float:
    """The ratio alone."""
    ratio, advantages = _terms(new, old, rewards)
    return -float((ratio * advantages).mean())


def logged_loss__log_likelihoods(new: list[float], old: list[float], rewards: list[float], epsilon: float) -> float:
    """Weighted log-likelihoods: the same gradient on-policy, another value."""
    _, advantages = _terms(new, old, rewards)
    return -float((np.log(new) * advantages).mean())


def logged_loss__is_the_objective(new: list[float], old: list[float], rewards: list[float], epsilon: float) -> float:
    """Forgets the minus."""
    ratio, advantages = _terms(new, old, rewards)
    return float(np.minimum(ratio * advantages, ratio.clip(1 - epsilon, 1 + epsilon) * advantages).mean())
