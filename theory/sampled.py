"""Sampled ascent of a softmax bandit in numpy, with a ρ or an η that changes, which the loop has no setting for.

Every seed is a row. The samples' weights are eq-3's with the reference pooled, (1 + λ) Â_i / G; the reference's is
computed by the caller from the group. Written from thm-1 without this package's loop, so that the two can be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.groups import Array, advantages_of_answers

G, LAM = 8, 0.6


@dataclass(frozen=True)
class Seen:
    """Statistics of N groups: Â_y, mean |Â_i|, and a running mean of the win rate over the reference, ties half."""

    A_y: Array
    spread: Array
    wins: Array


@dataclass(frozen=True)
class Table:
    """K rewards, the reference's index, and the probabilities at the start."""

    rewards: list[float]
    reference: int
    start: list[float]


def ascend(
    table: Table, weight: Callable[[Seen], Array], *, steps: int, seeds: int, rate: Callable[[int], float]
) -> Array:
    """V by step and seed, the start included: (S + 1, N). `weight`: w_y of the groups; `rate`: η_k, from k = 0."""
    rng, rewards, y = np.random.default_rng(0), np.array(table.rewards), table.reference
    theta = np.tile(np.log(table.start), (seeds, 1))
    wins, values = np.zeros(seeds), []
    for k in range(steps + 1):
        pi = np.exp(theta - theta.max(1, keepdims=True))
        pi /= pi.sum(1, keepdims=True)
        values.append(pi @ rewards)
        counts = rng.multinomial(G, pi).astype(float)
        A_o, A_y = advantages_of_answers(counts, rewards, y, "with_reference")
        won = (counts * ((rewards > rewards[y]) + 0.5 * (rewards == rewards[y]))).sum(1) / G
        wins = won if k == 0 else 0.8 * wins + 0.2 * won
        weights = (1 + LAM) * counts * A_o / G
        weights[:, y] += weight(Seen(A_y, (counts * np.abs(A_o)).sum(1) / G, wins))
        theta = theta + rate(k) * (weights - pi * weights.sum(1, keepdims=True))
    return np.array(values)


def fixed(rho: float) -> Callable[[Seen], Array]:
    """w_y = (1 + λ) ρ max(Â_y, 0): the repaired objective with its one knob."""
    return lambda seen: (1 + LAM) * rho * np.maximum(seen.A_y, 0)
