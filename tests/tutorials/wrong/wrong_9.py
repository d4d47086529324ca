"""Typical wrong answers to the exercises of tutorial 9: each must be rejected with a hint."""

import numpy as np


def leave_one_out__itself_included(rewards: list[float]) -> list[float]:
    """Compares with the mean of the whole group."""
    mean = sum(rewards) / len(rewards)
    return [(reward - mean) / len(rewards) for reward in rewards]


def leave_one_out__sum_of_the_others(rewards: list[float]) -> list[float]:
    """Compares with the sum of the others, which for two samples is their mean."""
    return [(2 * reward - sum(rewards)) / len(rewards) for reward in rewards]


def leave_one_out__not_divided(rewards: list[float]) -> list[float]:
    """Forgets 1/G."""
    size, total = len(rewards), sum(rewards)
    return [reward - (total - reward) / (size - 1) for reward in rewards]


def clipped_weight__clips_both_ways(ratio: float, advantage: float, group_size: int, epsilon: float) -> float:
    """Weight 0 for every ratio outside 1 ± ε."""
    inside = 1 - epsilon < ratio < 1 + epsilon
    return ratio * advantage / group_size if inside else 0.0


def clipped_weight__without_the_ratio(ratio: float, advantage: float, group_size: int, epsilon: float) -> float:
    """The weight of the policy that sampled."""
    over = ratio > 1 + epsilon if advantage > 0 else ratio < 1 - epsilon
    return 0.0 if over else advantage / group_size


def clipped_weight__the_clipped_value(ratio: float, advantage: float, group_size: int, epsilon: float) -> float:
    """The objective's value, not its slope."""
    clipped = min(max(ratio, 1 - epsilon), 1 + epsilon)
    return min(ratio * advantage, clipped * advantage) / group_size


def _parts(rewards: list[float], reference: float) -> tuple[float, float, float]:
    pool = np.array([*rewards, reference])
    ratio = np.std(rewards) / pool.std()
    shift = (np.mean(rewards) - pool.mean()) / pool.std()
    return float(ratio), float(shift), float((reference - pool.mean()) / pool.std())


def decompose__no_shift(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[float, float, float]:
    """As if pooling changed the deviation alone."""
    ratio, _, A_y = _parts(rewards, reference_reward)
    return (1 + lam) * ratio, 0.0, (beta + lam / len(rewards)) * A_y


def decompose__same_deviation(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[float, float, float]:
    """As if pooling changed the mean alone."""
    _, shift, A_y = _parts(rewards, reference_reward)
    return 1 + lam, (1 + lam) * shift, (beta + lam / len(rewards)) * A_y


def decompose__beta_alone(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[float, float, float]:
    """Forgets the regulariser's share of the reference's weight."""
    ratio, shift, A_y = _parts(rewards, reference_reward)
    return (1 + lam) * ratio, (1 + lam) * shift, beta * A_y
