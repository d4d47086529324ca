"""Exercises of tutorial 7. Replace each `raise` by your answer, then run: make exercise 7."""


def expected_queries(p: float, group_size: int, with_reference: bool) -> float:
    """Expected reward queries until the first group that isn't dead; infinite if all groups are dead.

    Rewards are 1 (probability p) and 0. `with_reference`: a right reference is in the pool; the query for its own
    reward is not counted.
    """
    raise NotImplementedError


def repaired_weight(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """The weight of the repaired objective on the reference's log-likelihood, for any advantages."""
    raise NotImplementedError


def never_vanishes(beta: float, lam: float, group_size: int) -> float:
    """The length of the printed objective's expected update when the policy is certain of an answer better than y."""
    raise NotImplementedError
