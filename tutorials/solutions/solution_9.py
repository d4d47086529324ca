"""Our answers to the exercises of tutorial 9."""

from math import sqrt


def leave_one_out(rewards: list[float]) -> list[float]:
    """PPO's weights with the group's mean as the critic's value, times G / (G − 1)."""
    size, total = len(rewards), sum(rewards)
    return [(reward - (total - reward) / (size - 1)) / size for reward in rewards]


def clipped_weight(
    ratio: float, advantage: float, group_size: int, epsilon: float
) -> float:
    """0 if the answer has moved too far in the direction it was pushed; otherwise ratio times A / G."""
    far_enough = ratio > 1 + epsilon if advantage > 0 else ratio < 1 - epsilon
    return 0.0 if far_enough else ratio * advantage / group_size


def decompose(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[float, float, float]:
    """The remainder is an equal push on all samples: down if y is above the samples' mean, up if it is below.

    Over the pool (R − μ') / σ' = (σ / σ') (R − μ) / σ + (μ − μ') / σ': GRPO's advantage, rescaled and shifted.
    """
    size = len(rewards)
    mean, deviation = _moments(rewards)
    pool_mean, pool_deviation = _moments([*rewards, reference_reward])
    reference_advantage = (reference_reward - pool_mean) / pool_deviation
    return (
        (1 + lam) * deviation / pool_deviation,
        (1 + lam) * (mean - pool_mean) / pool_deviation,
        (beta + lam / size) * reference_advantage,
    )


def _moments(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, sqrt(sum((value - mean) ** 2 for value in values) / len(values))
