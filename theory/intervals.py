"""Confidence intervals that are exact at any number of seeds and for any distribution: order statistics."""

import numpy as np
from scipy.stats import binom, binomtest

from theory.groups import Array


def quantile_interval(waits: Array, share: float, miss: float) -> tuple[Array, Array]:
    """Order statistics (…,) between which the quantile lies, but with probability `miss`, by waits (…, N).

    The number of runs at or below the quantile is binomial, whatever the distribution: X_(l) is above it with
    probability P(B < l), X_(u) below it with P(B >= u); each is at most miss / 2. Infinite where N is too small.

    >>> quantile_interval(np.arange(1.0, 1001), 0.9, 0.05)
    (array(881.), array(919.))
    """
    n = waits.shape[-1]
    lower, upper = int(binom.ppf(miss / 2, n, share)), int(binom.ppf(1 - miss / 2, n, share)) + 1
    edge = np.ones((*waits.shape[:-1], 1))
    ordered = np.concatenate([0 * edge, np.sort(waits, axis=-1), np.inf * edge], axis=-1)
    return np.asarray(ordered[..., lower]), np.asarray(ordered[..., min(upper, n + 1)])


def share_interval(count: int, n: int, miss: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share, which holds but with probability `miss`.

    >>> [round(end, 4) for end in share_interval(9, 10, 0.05)]
    [0.555, 0.9975]
    """
    found = binomtest(count, n).proportion_ci(confidence_level=1 - miss, method="exact")
    return float(found.low), float(found.high)
