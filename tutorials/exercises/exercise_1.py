"""Exercises of tutorial 1. Replace each `raise` by your answer, then run: make exercise 1."""


def advantages(
    rewards: list[float], reference_reward: float
) -> tuple[list[float], float]:
    """eq-4 with the reference in the pool: the samples' advantages, and the reference's advantage.

    Plain Python only. Use the population deviation (divide by the number of rewards). Decide what the advantages are
    if all rewards are the same, and why.
    """
    raise NotImplementedError


def mean_log_likelihood(probabilities: list[float], mask: list[bool]) -> float:
    """eq-1: the mean of log π over the tokens whose mask is True. Padding may have any probability, also 0.

    An answer without tokens has 0.
    """
    raise NotImplementedError


def objective(
    J: list[float],
    J_y: float,
    advantages: list[float],
    reference_advantage: float,
    beta: float,
    lam: float,
) -> tuple[float, float, float, float]:
    """eq-3: exploration, imitation, alignment, and the total; only the total contains β and λ."""
    raise NotImplementedError
