"""Exercises of tutorial 6. Replace each `raise` by your answer, then run: make exercise 6."""


def collapsed_weights(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """thm-1: the weights of eq-3 on each sample's log-likelihood, and on the reference's.

    For any advantages, from either pool: the formula does not depend on the pool.
    """
    raise NotImplementedError


def knob(beta: float, lam: float, group_size: int, pool: str) -> float:
    """ρ: the weight of the reference relative to the samples, the factor of Â_y J(y) once 1 + λ is taken out of eq-3.

    `pool` is "with_reference" or "outputs".
    """
    raise NotImplementedError


def same_curve(
    beta: float, lam: float, group_size: int, new_lam: float
) -> float | None:
    """The β which, with `new_lam`, trains the same curve under Adam as (beta, lam). The reference is in the pool.

    None if there is no such β >= 0.
    """
    raise NotImplementedError
