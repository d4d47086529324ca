"""Exercises of tutorial 4. Replace each `raise` by your answer, then: make exercise 4."""


def expected_queries(p: float, group_size: int, with_reference: bool) -> float:
    """Expected reward queries until the first group that teaches anything; infinite where there is none.

    Rewards are 1 (probability p) and 0. `with_reference`: a right reference is in the pool; its own reward
    is not counted.
    """
    raise NotImplementedError


def repaired_weight(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """What the repaired objective puts on the reference's log-likelihood, for any advantages."""
    raise NotImplementedError


def never_vanishes(beta: float, lam: float, group_size: int) -> float:
    """The length of the printed objective's expected update once the policy is sure of an answer better than y."""
    raise NotImplementedError
