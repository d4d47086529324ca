"""Exercises of tutorial 2. Replace each `raise` by your answer, then: make exercise 2."""


def collapsed_weights(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """thm-1: what eq-3 puts on each sample's log-likelihood, and on the reference's.

    For any advantages: you are not told which pool they come from, and need not know.
    """
    raise NotImplementedError


def knob(beta: float, lam: float, group_size: int, pool: str) -> float:
    """ρ: how much the reference counts beside the samples. `pool` is "with_reference" or "outputs"."""
    raise NotImplementedError


def same_curve(
    beta: float, lam: float, group_size: int, new_lam: float
) -> float | None:
    """The β that trains the same curve under Adam with `new_lam` as (beta, lam) did; reference in the pool.

    None where there is no such β >= 0.
    """
    raise NotImplementedError
