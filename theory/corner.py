"""Sampled ascent of one-token bandits in numpy by rules that the loop has no setting for; every seed is a row.

A rule gives the weight of each sample from the rewards of its group. For thm-8, thm-10 and thm-11, which need runs that
lie in a corner of the simplex for long, the natural gradient, or the step at which the best answer is first sampled.
"""

from collections.abc import Callable, Iterator
from math import sqrt

import numpy as np

from theory.groups import Array, advantages_of_answers

G, LAM, BETA = 8, 0.6, 0.5
Rule = Callable[[Array, Array, int], tuple[Array, Array]]  # counts (N, K), rewards (K,), y -> weights (N, K), w_y (N,)


def grpo(counts: Array, rewards: Array, reference: int) -> tuple[Array, Array]:
    """Â_i / G over the outputs."""
    A, _ = advantages_of_answers(counts, rewards, reference, "outputs")
    return counts * A / G, np.zeros(len(counts))


def grao(counts: Array, rewards: Array, reference: int) -> tuple[Array, Array]:
    """(1 + λ) Â_i / G and max(w_y, 0) with the reference pooled: the repaired objective."""
    A, A_y = advantages_of_answers(counts, rewards, reference, "with_reference")
    return (1 + LAM) * counts * A / G, (BETA + LAM / G) * np.maximum(A_y, 0)


def against_reference(counts: Array, rewards: Array, reference: int) -> tuple[Array, Array]:
    """(R_i − R(y)) / G: the reference as baseline (thm-10)."""
    return counts * (rewards - rewards[reference]) / G, np.zeros(len(counts))


def frozen(counts: Array, rewards: Array, reference: int) -> tuple[Array, Array]:
    """No update at all."""
    return 0.0 * counts, np.zeros(len(counts))


def only_raises(counts: Array, rewards: Array, reference: int) -> tuple[Array, Array]:
    """GRPO's weights where they are positive: it raises winners, and lowers what was not sampled by the softmax."""
    weights, none = grpo(counts, rewards, reference)
    return np.maximum(weights, 0), none


def ascend(
    rule: Rule, rewards: Array, logits: Array, *, reference: int, rate: float, steps: int, natural: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Policies (N, K) and the counts drawn from them (N, K), by step. A weight moves θ by w (e_a − π), or with
    `natural` by w e_a / π_a, which the Fisher matrix maps to it. Seed 0.
    """
    rng, theta = np.random.default_rng(0), logits.copy()
    for _ in range(steps):
        pi = np.exp(theta - theta.max(1, keepdims=True))
        pi /= pi.sum(1, keepdims=True)
        counts = rng.multinomial(G, pi).astype(float)
        yield pi, counts
        weights, w_y = rule(counts, rewards, reference)
        weights[:, reference] += w_y
        if natural:
            theta = theta + rate * weights / np.maximum(pi, 1e-300)
            continue
        theta = theta + rate * (weights - pi * weights.sum(1, keepdims=True))


def in_corner(failures: int, most: int, rows: int, best: float = 1e-12, failing: float = 0.2) -> Array:
    """Logits (N, 2 + most): the best answer unseen, F failing answers that share `failing`, the reference the rest.

    The table has room for `most` failing answers; those beyond F have probability 1e-26, so they are never sampled.
    """
    pi = np.full(2 + most, 1e-26)
    pi[:2] = best, 1 - failing
    pi[2 : 2 + failures] = failing / failures
    return np.tile(np.log(pi), (rows, 1))


def slope(path: Array, first: int) -> tuple[float, float]:
    """Minus the slope of each row's log π on log t from step `first` to the end, (S, N): mean and standard error."""
    t = np.log(np.arange(1, len(path) + 1)[first:])
    slopes = -np.polyfit(t, path[first:], 1)[0]
    return float(slopes.mean()), float(slopes.std(ddof=1) / sqrt(len(slopes)))
