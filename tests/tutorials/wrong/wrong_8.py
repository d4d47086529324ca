"""Typical wrong answers to the exercises of tutorial 8; each must be rejected with a hint."""

from math import sqrt

from tutorials.exercise import answers_path, load

right = load(answers_path(8, solution=True))


def repaired_weight__clamps_the_advantage(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """max(Â_y, 0) inside, which leaves alignment's share at work."""
    mean = sum(advantages) / len(advantages)
    return beta * max(0.0, reference_advantage) - lam * mean


def repaired_weight__as_printed(advantages: list[float], reference_advantage: float, beta: float, lam: float) -> float:
    """No repair."""
    mean = sum(advantages) / len(advantages)
    return beta * reference_advantage - lam * mean


def repaired_weight__imitation_alone(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """Alignment's share is left out."""
    return max(0.0, beta * reference_advantage)


def never_vanishes__without_alignment(beta: float, lam: float, group_size: int) -> float:
    """β alone."""
    return beta * sqrt(2 * group_size)


def never_vanishes__weight_only(beta: float, lam: float, group_size: int) -> float:
    """The weight on log π(y), not the length of the update that it makes."""
    return (beta + lam / group_size) * sqrt(group_size)


def not_repaired__failures() -> tuple[list[float], float]:
    """A reference that is ahead."""
    return [0.0, 0.0], 1.0


def not_repaired__dead() -> tuple[list[float], float]:
    """Nothing is compared."""
    return [0.5, 0.5], 0.5


def bar_weights__reference_alone(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """R(y) as the bar even where the mean is above it."""
    samples, reference = right.bar_weights(rewards, reference_reward, beta, lam)
    pool = [*rewards, reference_reward]
    mean = sum(pool) / len(pool)
    sigma = sqrt(sum((each - mean) ** 2 for each in pool) / len(pool)) or 1.0
    if max(pool) == min(pool):
        return samples, reference
    return [(1 + lam) / len(rewards) * (each - reference_reward) / sigma for each in rewards], reference


def bar_weights__always_imitates(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """max(Â_y, 0), which goes on once a sample is as good."""
    samples, _ = right.bar_weights(rewards, reference_reward, beta, lam)
    pool = [*rewards, reference_reward]
    mean = sum(pool) / len(pool)
    sigma = sqrt(sum((each - mean) ** 2 for each in pool) / len(pool))
    if max(pool) == min(pool):
        return samples, 0.0
    return samples, (beta + lam / len(rewards)) * max((reference_reward - mean) / sigma, 0.0)
