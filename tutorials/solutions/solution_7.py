"""Our answers to the exercises of tutorial 7."""

from math import inf


def expected_queries(p: float, group_size: int, with_reference: bool) -> float:
    """The expected number of groups is 1 over the probability of a group that isn't dead; each needs G queries."""
    dead = p**group_size + (0.0 if with_reference else (1 - p) ** group_size)
    return group_size / (1 - dead) if dead < 1 else inf


def who_is_first() -> list[str]:
    """At one small rate GRAO's longer steps lead. At its own best rate GRPO leads wherever y can be beaten."""
    return ["GRAO", "GRPO", "GRAO", "GRPO"]
