"""Our answers to the exercises of tutorial 1."""

from math import log, sqrt


def advantages(
    rewards: list[float], reference_reward: float
) -> tuple[list[float], float]:
    """If all rewards in the pool are equal, no answer is better than another, so every advantage is 0."""
    pool = [*rewards, reference_reward]
    if max(pool) == min(pool):  # not σ == 0: rounding can leave a σ of 1e-17
        return [0.0] * len(rewards), 0.0
    mean = sum(pool) / len(pool)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in pool) / len(pool))
    *samples, reference = [(reward - mean) / deviation for reward in pool]
    return samples, reference


def mean_log_likelihood(probabilities: list[float], mask: list[bool]) -> float:
    """The padding is removed before the logarithm, because its probability may be 0."""
    logs = [
        log(probability)
        for probability, real in zip(probabilities, mask, strict=True)
        if real
    ]
    return sum(logs) / len(logs) if logs else 0.0


def objective(
    J: list[float],
    J_y: float,
    advantages: list[float],
    reference_advantage: float,
    beta: float,
    lam: float,
) -> tuple[float, float, float, float]:
    """In the paper the imitation term is inside the mean over the group, so it counts once."""
    size = len(J)
    exploration = sum(A * each for A, each in zip(advantages, J, strict=True)) / size
    imitation = reference_advantage * J_y
    alignment = (
        sum(A * (each - J_y) for A, each in zip(advantages, J, strict=True)) / size
    )
    return (
        exploration,
        imitation,
        alignment,
        exploration + beta * imitation + lam * alignment,
    )
