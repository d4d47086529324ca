"""A linear Bradley-Terry head: σ(w · (f_chosen − f_rejected)), fitted to preference pairs and measured on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import binomtest

Array = NDArray[np.float64]
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # l2 is one of these where cross-validation chooses
FOLDS = 5


@dataclass(frozen=True)
class Accuracy:
    """How often the chosen answer wins; a tie is half a win. `low` and `high`: Wilson's 95 % interval."""

    mean: float
    low: float
    high: float
    pairs: int


def fit_head(chosen: Array, rejected: Array, *, l2: float) -> tuple[Array, float]:
    """w and b of the score w · f + b, which has mean 0 and standard deviation 1 over the answers given.

    Maximises mean log σ(v · (f_chosen − f_rejected)) − l2/2 |v|² over features that are first scaled to deviation 1,
    because they differ by orders of magnitude and share one penalty. A constant feature gets weight 0.
    Raises `ValueError` where all answers score the same.
    """
    answers = np.concatenate([chosen, rejected])
    deviations = answers.std(axis=0)
    scale = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0)
    weights = _ascend((chosen - rejected) * scale, l2) * scale
    scores = answers @ weights
    if not scores.std() > 0:
        raise ValueError("the preference pairs teach nothing: every answer would get the same score")
    return weights / scores.std(), float(-scores.mean() / scores.std())


def _ascend(differences: Array, l2: float) -> Array:
    def loss(weights: Array) -> tuple[float, Array]:
        margins = differences @ weights
        value = np.logaddexp(0.0, -margins).mean() + 0.5 * l2 * weights @ weights
        pull = np.exp(-np.logaddexp(0.0, margins))  # σ(−margin)
        return float(value), l2 * weights - differences.T @ pull / len(margins)

    found = minimize(loss, np.zeros(differences.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return np.asarray(found.x)


def choose_l2(chosen: Array, rejected: Array, groups: Sequence[str], *, seed: int) -> float:
    """The strength with the best log-likelihood in 5-fold cross-validation; pairs of one group share their fold."""
    names = sorted(set(groups))
    if len(names) < FOLDS:
        raise ValueError(f"choosing l2 by cross-validation takes at least {FOLDS} prompts, got {len(names)}; set l2")
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[place]: number % FOLDS for number, place in enumerate(order)}
    folds = np.array([fold_of[group] for group in groups])
    scale = 1.0 / np.maximum(np.concatenate([chosen, rejected]).std(axis=0), 1e-12)
    differences = (chosen - rejected) * scale

    def error(l2: float) -> float:
        held_out = [differences[folds == fold] @ _ascend(differences[folds != fold], l2) for fold in range(FOLDS)]
        return float(np.logaddexp(0.0, -np.concatenate(held_out)).mean())

    return min(STRENGTHS, key=error)


def accuracy(margins: Array) -> Accuracy:
    """Share of pairs whose margin, chosen minus rejected, is above 0. Raises `ValueError` without a pair.

    >>> accuracy(np.array([1.0, 2.0, -1.0, 0.0])).mean
    0.625
    """
    if not len(margins):
        raise ValueError("accuracy takes at least one pair, got none")
    wins, ties = int((margins > 0).sum()), int((margins == 0).sum())
    interval = binomtest(wins + ties // 2, len(margins)).proportion_ci(0.95, method="wilson")
    return Accuracy((wins + ties / 2) / len(margins), float(interval.low), float(interval.high), len(margins))
