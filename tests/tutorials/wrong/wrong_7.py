"""Typical wrong answers to exercise 4; each must be rejected with a hint."""

from math import inf, sqrt


def expected_queries__forgets_all_right(p: float, group_size: int, with_reference: bool) -> float:
    """Only the groups of failures are dead."""
    dead = 0.0 if with_reference else (1 - p) ** group_size
    return group_size / (1 - dead) if dead < 1 else inf


def expected_queries__counts_groups(p: float, group_size: int, with_reference: bool) -> float:
    """Groups, not queries."""
    dead = p**group_size + (0.0 if with_reference else (1 - p) ** group_size)
    return 1 / (1 - dead) if dead < 1 else inf


def expected_queries__divides_by_zero(p: float, group_size: int, with_reference: bool) -> float:
    """Right unless every group is dead."""
    dead = p**group_size + (0.0 if with_reference else (1 - p) ** group_size)
    return group_size / (1 - dead)


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
