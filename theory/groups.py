"""Every possible group with its probability: the sums that make up expected updates.

The weights of eq-3 depend on a group only through how many of its samples have which reward. So the sum runs
over the counts of the L distinct rewards, C(G + L − 1, L − 1) terms instead of K^G: K = 50 actions with three
reward levels and G = 8 are 45 terms. Written in numpy from thm-1 and eq-4 alone, without this package's
functions, so that they can be tested against it.
"""

import operator
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Array = NDArray[np.float64]
MAX_CELLS = 20_000_000  # terms times levels: about 0.7 GB and 6 s
POOLS = ("with_reference", "outputs")


@dataclass(frozen=True)
class GroupMoments:
    """Expectations over the counts c of a group: its samples' weights u_l = c_l w_l at each level, and w_y."""

    mean: Array  # (L + 1,) E[v] with v = (u_1, …, u_L, w_y)
    square: Array  # (L + 1, L + 1) E[v vᵀ]
    within: Array  # (L,) E[c_l w_l²]: the part that is random among the actions of one level
    slope: Array  # (L + 1, L) E[v c_kᵀ]: gives the derivative of E[v] by the levels' probabilities


def compositions(total: int, parts: int) -> Array:
    """Every way to write `total` as an ordered sum of `parts` counts >= 0: (C(total + parts − 1, parts − 1), parts).

    >>> compositions(2, 2).tolist()
    [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]
    """
    rows = np.zeros((1, 0))
    for part in range(parts):
        left = (total - rows.sum(1)).astype(int)
        if part == parts - 1:
            return np.column_stack([rows, left])
        repeats = left + 1
        start = np.repeat(np.cumsum(repeats) - repeats, repeats)
        rows = np.column_stack([np.repeat(rows, repeats, axis=0), np.arange(repeats.sum()) - start])
    return rows


def probabilities(counts: Array, log_p: Array) -> Array:
    """The multinomial probability of each row of counts, given the levels' log-probabilities: (terms,)."""
    log_p = np.maximum(log_p, -1e290)  # a level that is never sampled; −inf · 0 would be NaN
    probability: Array = np.exp(gammaln(counts[0].sum() + 1) - gammaln(counts + 1).sum(1) + counts @ log_p)
    return probability


def advantages(
    counts: Array, levels: Array, reference_reward: float, pool: str, normalised: bool = True
) -> tuple[Array, Array]:
    """eq-4 for groups given by their counts: Â of a sample at each level (terms, L), and Â_y (terms,).

    `normalised=False` does not divide by the deviation, as eq-4 does: a control for the effect of that division.
    """
    pooled = counts + (levels == reference_reward) if pool == "with_reference" else counts
    size = pooled.sum(1, keepdims=True)
    flat = pooled.max(1, keepdims=True) == size
    mu = pooled @ levels[:, None] / size
    sigma = np.sqrt((pooled * (levels - mu) ** 2).sum(1, keepdims=True) / size)
    sigma[flat | (not normalised)] = 1
    A_o = np.where(flat & normalised, 0, (levels - mu) / sigma)
    A_y = np.where(flat & normalised, 0, (reference_reward - mu) / sigma)[:, 0]
    return A_o, A_y


def advantages_of_answers(counts: Array, rewards: Array, reference: int, pool: str) -> tuple[Array, Array]:
    """eq-4 for groups given by their counts of each answer, (N, K): Â of a sample of each (N, K), and Â_y (N,).

    Unlike levels, several of the K answers may have the same reward.
    """
    levels, level = np.unique(rewards, return_inverse=True)
    at_level = counts @ (level[:, None] == np.arange(len(levels)))
    by_level, A_y = advantages(at_level, levels, rewards[reference], pool)
    return by_level[:, level], A_y


def moments(counts: Array, probability: Array, w_o: Array, w_y: Array) -> GroupMoments:
    """Sum over all groups. Shapes: (terms, L), (terms,), (terms, L), (terms,)."""
    v = np.column_stack([counts * w_o, w_y])
    weighted = probability[:, None] * v
    return GroupMoments(
        mean=weighted.sum(0),
        square=weighted.T @ v,
        within=probability @ (counts * w_o**2),
        slope=weighted.T @ counts,
    )


def on_unit_interval(rewards: Array) -> Array:
    """eq-4 does not change under r -> a·r + c, and on [0, 1] nothing overflows, vanishes or cancels."""
    halves = rewards / 2  # so that the span of any two finite numbers is finite
    span = halves.max() - halves.min()
    return np.zeros_like(rewards) if span == 0 else (halves - halves.min()) / span


def require_size(group_size: int, levels: int) -> None:
    """Raise `ValueError` on too many groups to compute, with their count and a feasible size."""

    def cells(size: int) -> int:
        return comb(size + levels - 1, levels - 1) * levels

    if cells(group_size) > MAX_CELLS:
        feasible = [size for size in range(2, group_size) if cells(size) <= MAX_CELLS]
        hint = f"group_size {feasible[-1]} would finish, and so would" if feasible else "what would finish is"
        raise ValueError(
            f"group_size {group_size} with {levels} distinct rewards has {comb(group_size + levels - 1, levels - 1):,} "
            f"terms of {levels} counts, more than {MAX_CELLS:,} in all; {hint} fewer distinct rewards"
        )


def require_index(**numbers: int) -> int:
    """The one whole number given by name. Raises `ValueError` on anything else."""
    ((name, value),) = numbers.items()
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None


def require_pool(pool: str) -> None:
    """Raise `ValueError` on an unknown reading of eq-4."""
    if pool not in POOLS:
        raise ValueError(f"pool must be one of with_reference, outputs; got {pool!r}")


def require_rewards(rewards: Array) -> None:
    """Raise `ValueError` on rewards that are not a vector of finite numbers."""
    if rewards.ndim != 1 or len(rewards) == 0:
        raise ValueError(f"rewards must have shape (K,), got {rewards.shape}")
    if not np.isfinite(rewards).all():
        raise ValueError(f"logits and rewards must be finite, got rewards {rewards}")


def require_same_shape(logits: Array, rewards: Array) -> None:
    """Raise `ValueError` on logits and rewards that are not vectors of one length."""
    if logits.ndim != 1 or len(logits) == 0 or logits.shape != rewards.shape:
        raise ValueError(f"logits and rewards must both have shape (K,), got {logits.shape} and {rewards.shape}")
