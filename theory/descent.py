"""Stochastic ascent and descent of V with an unbiased gradient: for claim-3 and thm-7."""

import numpy as np

from theory.groups import Array

G = 8
REWARDS = np.array([1.0, 0.5, 0.0])


def descent(seeds: int, steps: int, rate: float, ascent: bool = True) -> tuple[Array, Array]:
    """V and ‖∇V‖² by step (S, N) of stochastic ascent with Σ (R_i − mean) ∇log π(o_i) / (G − 1), which is unbiased."""
    rng, theta = np.random.default_rng(0), np.zeros((seeds, 3))
    values, squares = [], []
    for _ in range(steps):
        pi = np.exp(theta - theta.max(1, keepdims=True))
        pi /= pi.sum(1, keepdims=True)
        value = pi @ REWARDS
        values.append(value)
        squares.append(((pi * (REWARDS - value[:, None])) ** 2).sum(1))
        counts = rng.multinomial(G, pi)
        weights = counts * (REWARDS - (counts @ REWARDS / G)[:, None]) / (G - 1)
        step = weights - pi * weights.sum(1, keepdims=True)
        theta = theta + (rate if ascent else -rate) * step
    return np.array(values), np.array(squares)
