"""Medians, spreads and ratios of rounds."""

from collections.abc import Sequence
from statistics import median, quantiles


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles (inclusive), extremes and number of the values. Raises `ValueError` on none."""
    if not values:
        raise ValueError("a summary needs at least one value")
    low, _, high = quantiles(values, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {
        "median": median(values),
        "q1": low,
        "q3": high,
        "min": min(values),
        "max": max(values),
        "n": len(values),
    }


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """The summary of ours / theirs, round by round: what slows a whole round of the machine cancels.

    Raises `ValueError` where the two have a different number of rounds.
    """
    return summary([a / b for a, b in zip(ours, theirs, strict=True)])
