"""Advantages of eq-4 over a pool, and their extreme cases: for thm-2, claim-4, A3 and A4."""

from math import sqrt

import numpy as np
import torch

from grao_ref import group_advantages
from theory.groups import Array

C_A = 3.0


def pooled(rewards: Array, reference: Array, pool: str, ddof: int = 0) -> tuple[Array, Array]:
    """The package's Â over the pool (N, P), and Â_y (N,). `ddof=1` plants the sample deviation."""
    A_o, A_y = (each.numpy() for each in group_advantages(torch.tensor(rewards), torch.tensor(reference), pool=pool))
    members = np.column_stack([A_o, A_y]) if pool == "with_reference" else A_o
    return members * sqrt((members.shape[1] - ddof) / members.shape[1]), A_y


def lone_winner(size: int, winners: int = 1) -> float:
    """|Â| of the only success of its pool, where the bound is attained; or of one of several."""
    rewards = np.zeros((1, size))
    rewards[0, :winners] = 1
    return float(np.abs(pooled(rewards, np.zeros(1), "outputs")[0]).max())


def outside(gap: float, reference: float = 0.5) -> float:
    """Â_y in `outputs` for rewards (1, 1, 1, 1 − gap): divided by a deviation that leaves the reference out."""
    return float(pooled(np.array([[1, 1, 1, 1 - gap]]), np.array([reference]), "outputs")[1][0])
