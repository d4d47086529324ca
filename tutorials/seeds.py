"""Statistics of a few seeds: how often a wrong winner is named, how many seeds it takes, corrections for several tests."""

from itertools import combinations, product
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
# Risk of a difference where there is none; how surely one that is there is to be found.
SURE, POWER = 0.05, 0.8


def wrong(one: Array, other: Array, count: int, *, same: bool = True) -> float:
    """How often the mean of `count` seeds names another winner than the mean of all, over every choice of seeds.

    same: both methods have the same seeds; else each has its own.

    >>> wrong(np.array([1.0, 1.0, 4.0]), np.array([1.5, 1.5, 1.5]), 1)
    0.6666666666666666
    """
    chosen = [list(each) for each in combinations(range(len(one)), count)]
    pairs = [(each, each) for each in chosen] if same else product(chosen, chosen)
    named = [one[a].mean() > other[b].mean() for a, b in pairs]
    return float(np.mean(np.array(named) != (one.mean() > other.mean())))


def wrong_if(differences: Array, count: int) -> float:
    """The same for new seeds, if differences were normal with the mean and the deviation of these."""
    size = abs(differences.mean()) / differences.std(ddof=1)
    return float(stats.norm.cdf(-size * count**0.5))


def seeds_needed(differences: Array, most: int = 1000) -> float:
    """Seeds with which a paired t-test finds such a difference with probability POWER; infinite above `most`."""
    size = abs(differences.mean()) / differences.std(ddof=1)
    for count in range(2, most):
        edge = stats.t.ppf(1 - SURE / 2, count - 1)
        if stats.nct.sf(edge, count - 1, size * count**0.5) >= POWER:
            return count
    return inf


def about(differences: Array) -> float:
    """The same by a rule of thumb: 8 (s / difference)², and two more."""
    return float(8 * (differences.std(ddof=1) / differences.mean()) ** 2 + 2)


def chance(differences: Array) -> float:
    """The p-value of a paired t-test, two-sided."""
    return float(stats.ttest_1samp(differences, 0).pvalue)


def bonferroni(found: dict[str, float]) -> dict[str, float]:
    """p-values times their number.

    >>> bonferroni({"a": 0.01, "b": 0.6})
    {'a': 0.02, 'b': 1.0}
    """
    return {name: min(1.0, p * len(found)) for name, p in found.items()}


def holm(found: dict[str, float]) -> dict[str, float]:
    """Holm's: the smallest times their number, the next times one less, and so on; none below one before it.

    >>> holm({"a": 0.03, "b": 0.01, "c": 0.04})
    {'b': 0.03, 'a': 0.06, 'c': 0.06}
    """
    adjusted, largest = {}, 0.0
    for place, name in enumerate(sorted(found, key=lambda name: found[name])):
        largest = max(largest, min(1.0, found[name] * (len(found) - place)))
        adjusted[name] = largest
    return adjusted


def survive(found: dict[str, float]) -> list[str]:
    """Whose p-value is small enough."""
    return [name for name, p in found.items() if p < SURE]


def least_by_signs(count: int) -> float:
    """The smallest p-value that flipping the signs of so many differences can give, two-sided: all of one sign."""
    return float(2 * 0.5**count)
