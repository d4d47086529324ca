"""Functions with a planted bug, for the exercises: each is right on most inputs, and the reader finds one where it isn't.

Bugs of this kind have been in real code (`tests/museum/bugs.py`).
"""

from math import sqrt


def advantages(rewards: list[float]) -> list[float]:
    """Meant to be eq-4 over the samples: (R − μ) / σ, and 0 where all rewards are equal."""
    mean = sum(rewards) / len(rewards)
    sigma = sqrt(sum((reward - mean) ** 2 for reward in rewards) / len(rewards))
    if sigma == 0:
        return [0.0] * len(rewards)
    return [(reward - mean) / sigma for reward in rewards]


def repaired(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """Meant to be the repaired weight on the reference, which is never negative."""
    mean = sum(advantages) / len(advantages)
    return beta * max(reference_advantage, 0.0) - lam * mean
