"""Our answers to the exercises of tutorial 7."""

from math import inf, sqrt


def expected_queries(p: float, group_size: int, with_reference: bool) -> float:
    """The expected number of groups is 1 over the probability of a group that isn't dead; each needs G queries."""
    dead = p**group_size + (0.0 if with_reference else (1 - p) ** group_size)
    return group_size / (1 - dead) if dead < 1 else inf


def repaired_weight(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """The clamp goes around the whole weight: alignment's share of it is imitation too."""
    mean = sum(advantages) / len(advantages)
    return max(0.0, beta * reference_advantage - lam * mean)


def never_vanishes(beta: float, lam: float, group_size: int) -> float:
    """Â_y = −√G, times the reference's coefficient, times the length √2 of ∇log π(y) = e_y − e_best."""
    return (beta + lam / group_size) * sqrt(group_size) * sqrt(2)
