"""The exact expected update of a one-context bandit: F(θ) = E[ĝ(θ)], summed over every group there is.

One action is one whole answer of length 1, π = softmax(θ), and G samples are drawn independently. The
weights of eq-3 depend on a group only through how many of its samples have which reward. So the sum runs
over the counts of the L distinct rewards, C(G + L − 1, L − 1) terms instead of K^G: K = 50 actions with
three reward levels and G = 8 are 45 terms. Written in numpy from thm-1 and eq-4 alone, without this
package's functions, so that it can judge them.
"""

import operator
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_softmax, logsumexp

Array = NDArray[np.float64]
MAX_CELLS = 20_000_000  # terms times levels: about 0.7 GB and 6 s


def expected_update(
    logits: Array,
    rewards: Array,
    reference: int,
    *,
    group_size: int,
    beta: float,
    lam: float,
    pool: str = "with_reference",
    only_when_ahead: bool = False,
) -> Array:
    """F_a = E[ Σ_i w_i (1[o_i = a] − π_a) + w_y (1[y = a] − π_a) ], an ascent direction of eq-3 (eq-8).

    w_i and w_y are those of thm-1; `only_when_ahead` takes max(w_y, 0), the repair of thm-4.
    Shapes: logits (K,), rewards (K,), the index of y -> (K,), float64.
    Raises `ValueError` on mismatched or non-finite arrays, an index that is none, G < 2, an unknown pool,
    negative weights, and sizes beyond `MAX_CELLS` terms times levels.
    """
    logits, rewards = np.asarray(logits, dtype=np.float64), np.asarray(rewards, dtype=np.float64)
    _require(logits, rewards, beta, lam, pool)
    reference, group_size = _index(reference=reference), _index(group_size=group_size)
    if not 0 <= reference < len(logits):
        raise ValueError(f"reference must be one of the {len(logits)} actions, got {reference}")
    if group_size < 2:
        raise ValueError(f"group_size must be at least 2, got {group_size}")
    rewards = _on_unit_interval(rewards)
    levels, level_of = np.unique(rewards, return_inverse=True)
    _require_size(group_size, len(levels))
    log_pi = log_softmax(logits)
    log_p = np.array([logsumexp(log_pi[level_of == level]) for level in range(len(levels))])
    log_p = np.maximum(log_p, -1e290)  # a level that is never sampled; −inf · 0 would be NaN
    share = np.exp(log_pi - log_p[level_of])  # P(action | its reward level)

    counts = compositions(group_size, len(levels))  # (terms, L)
    probability = np.exp(gammaln(group_size + 1) - gammaln(counts + 1).sum(1) + counts @ log_p)
    A_o, A_y = advantages(counts, levels, rewards[reference], pool)  # (terms, L), (terms,)
    w_o = (1 + lam) * A_o / group_size
    w_y = beta * A_y - lam * (counts * A_o).sum(1) / group_size
    if only_when_ahead:
        w_y = np.maximum(w_y, 0)

    by_level = probability @ (counts * w_o)  # E[ Σ of the samples' weights at each reward level ]
    on_reference = probability @ w_y
    pi = np.exp(log_pi)
    update: Array = by_level[level_of] * share - pi * (by_level.sum() + on_reference)
    update[reference] += on_reference
    return update


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


def advantages(counts: Array, levels: Array, reference_reward: float, pool: str) -> tuple[Array, Array]:
    """eq-4 for groups given by their counts: Â of a sample at each level (terms, L), and Â_y (terms,)."""
    pooled = counts + (levels == reference_reward) if pool == "with_reference" else counts
    size = pooled.sum(1, keepdims=True)
    flat = pooled.max(1, keepdims=True) == size
    mu = pooled @ levels[:, None] / size
    sigma = np.sqrt((pooled * (levels - mu) ** 2).sum(1, keepdims=True) / size)
    sigma[flat] = 1
    A_o = np.where(flat, 0, (levels - mu) / sigma)
    A_y = np.where(flat, 0, (reference_reward - mu) / sigma)[:, 0]
    return A_o, A_y


def _on_unit_interval(rewards: Array) -> Array:
    """eq-4 does not change under r -> a·r + c, and on [0, 1] nothing overflows, vanishes or cancels."""
    halves = rewards / 2  # so that the span of any two finite numbers is finite
    span = halves.max() - halves.min()
    return np.zeros_like(rewards) if span == 0 else (halves - halves.min()) / span


def _require_size(group_size: int, levels: int) -> None:
    def cells(size: int) -> int:
        return comb(size + levels - 1, levels - 1) * levels

    if cells(group_size) > MAX_CELLS:
        feasible = [size for size in range(2, group_size) if cells(size) <= MAX_CELLS]
        hint = f"group_size {feasible[-1]} would finish, and so would" if feasible else "what would finish is"
        raise ValueError(
            f"group_size {group_size} with {levels} distinct rewards has {comb(group_size + levels - 1, levels - 1):,} "
            f"terms of {levels} counts, more than {MAX_CELLS:,} in all; {hint} fewer distinct rewards"
        )


def _index(**numbers: int) -> int:
    ((name, value),) = numbers.items()
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None


def _require(logits: Array, rewards: Array, beta: float, lam: float, pool: str) -> None:
    if logits.ndim != 1 or len(logits) == 0 or logits.shape != rewards.shape:
        raise ValueError(f"logits and rewards must both have shape (K,), got {logits.shape} and {rewards.shape}")
    if not (np.isfinite(logits).all() and np.isfinite(rewards).all()):
        raise ValueError(f"logits and rewards must be finite, got {logits} and {rewards}")
    if not (0 <= beta < np.inf and 0 <= lam < np.inf):
        raise ValueError(f"beta and lam must be finite numbers >= 0, got {beta} and {lam}")
    if pool not in ("with_reference", "outputs"):
        raise ValueError(f"pool must be one of with_reference, outputs; got {pool!r}")
