"""Typical wrong answers to exercise 7; each must be rejected with a hint."""

from math import inf


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


def who_is_first__always_grao() -> list[str]:
    """As if the reference always helped."""
    return ["GRAO"] * 4


def who_is_first__always_grpo() -> list[str]:
    """As if it never did."""
    return ["GRPO"] * 4
