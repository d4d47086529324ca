"""Our answers to the exercises of tutorial 8."""

from math import sqrt


def repaired_weight(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """The clamp goes around the whole weight: alignment's share of it is imitation too."""
    mean = sum(advantages) / len(advantages)
    return max(0.0, beta * reference_advantage - lam * mean)


def not_repaired() -> tuple[list[float], float]:
    """Â_y is clamped, and alignment's share, −λ Ā, is not: any group that beats the reference shows it."""
    return [1.0, 1.0], 0.5


def never_vanishes(beta: float, lam: float, group_size: int) -> float:
    """Â_y = −√G, times the reference's coefficient, times the length √2 of ∇log π(y) = e_y − e_best."""
    return (beta + lam / group_size) * sqrt(group_size) * sqrt(2)


def bar_weights(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """A sample is compared with the bar, and the reference is imitated while no sample is as good."""
    size, pool = len(rewards), [*rewards, reference_reward]
    if max(pool) == min(pool):
        return [0.0] * size, 0.0
    mean = sum(pool) / len(pool)
    sigma = sqrt(sum((each - mean) ** 2 for each in pool) / len(pool))
    bar = max(reference_reward, sum(rewards) / size)
    samples = [(1 + lam) / size * (each - bar) / sigma for each in rewards]
    advantage = (reference_reward - mean) / sigma
    ahead = max(rewards) < reference_reward
    return samples, (beta + lam / size) * advantage if ahead else 0.0
