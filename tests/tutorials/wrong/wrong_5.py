"""Typical wrong answers to the exercises of tutorial 5: each must be rejected with a hint."""

import numpy as np


def equal_rewards__zeros() -> list[float]:
    """A group that the planted function knows."""
    return [0.0, 0.0, 0.0]


def equal_rewards__not_equal() -> list[float]:
    """A living group."""
    return [1.0, 0.0]


def probability_dead__failures_only(probabilities: list[float], rewards: list[float], group_size: int) -> float:
    """Forgets that a group of successes is dead as well."""
    wrong = sum(p for p, reward in zip(probabilities, rewards, strict=True) if not reward)
    return wrong**group_size


def probability_dead__by_answer(probabilities: list[float], rewards: list[float], group_size: int) -> float:
    """The same answer G times, not the same reward."""
    return sum(p**group_size for p in probabilities)


def fewest_dead__easy_tasks_are_alive() -> list[bool]:
    """Forgets the groups that are all right."""
    return [True, True, False, True, False]


def fewest_dead__temperature() -> list[bool]:
    """As if a low temperature helped."""
    return [True, False, False, True, True]


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


def fewest_dead__a_longer_step() -> list[bool]:
    """As if the step came before its group."""
    return [True, False, True, True, False]


def logged_loss__sample_deviation(new: list[float], old: list[float], rewards: list[float], epsilon: float) -> float:
    """Divides by G - 1 in the deviation."""
    ratio, advantages = _terms(new, old, rewards)
    advantages = advantages * ((len(rewards) - 1) / len(rewards)) ** 0.5
    return -float(np.minimum(ratio * advantages, ratio.clip(1 - epsilon, 1 + epsilon) * advantages).mean())


def probability_dead__two_rewards(probabilities: list[float], rewards: list[float], group_size: int) -> float:
    """As if there were only the best reward and the rest."""
    best = sum(p for p, reward in zip(probabilities, rewards, strict=True) if reward == max(rewards))
    return best**group_size + (1 - best) ** group_size
