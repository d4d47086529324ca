"""Hypothesis strategies: groups, padded token tables, splits of a batch. All tensors are float64 unless asked."""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
GARBAGE = (float("nan"), float("inf"), -float("inf"), -1e10, 1e30)

group_sizes = st.integers(2, 64)
leading_shapes = st.lists(st.integers(1, 3), max_size=2).map(tuple)
coefficients = st.floats(0, 3)
seeds = st.integers(0, 2**31 - 1)


def tensors(shape: tuple[int, ...], low: float, high: float, unique: bool = False) -> st.SearchStrategy[Tensor]:
    """float64 tensors with entries in [low, high]; tiny non-zero numbers are left to the tests that want them."""
    entries = st.floats(low, high, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-3 else 0.0)
    return hnp.arrays(np.float64, shape, elements=entries, unique=unique).map(torch.from_numpy)


def noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers from a seed: for tests that need any numbers, not special ones."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@dataclass(frozen=True)
class Group:
    """One batch of groups as eq-3 sees them."""

    rewards: Tensor  # (..., G)
    reference_reward: Tensor  # (...)
    output_loglik: Tensor  # (..., G)
    reference_loglik: Tensor  # (...)


@st.composite
def groups(draw: st.DrawFn, sizes: st.SearchStrategy[int] = group_sizes) -> Group:
    """Rewards on a grid (so that ties happen) or anywhere in [-5, 5], and log-likelihoods in [-10, 0]."""
    shape, size = draw(leading_shapes), draw(sizes)
    grid = draw(st.sampled_from([0, 1, 4]))
    rewards = draw(tensors((*shape, size + 1), -5, 5))
    if grid:
        rewards = (rewards * grid).round() / grid
    loglik = -10 * torch.rand(
        (*shape, size + 1), generator=torch.Generator().manual_seed(draw(seeds)), dtype=torch.float64
    )
    return Group(rewards[..., :-1], rewards[..., -1], loglik[..., :-1], loglik[..., -1])


@dataclass(frozen=True)
class Tokens:
    """A padded table of sequences, some of them empty, with garbage as padding."""

    values: Tensor  # (B, T)
    mask: Tensor  # (B, T) bool
    garbage: Tensor  # (B, T): equals `values` where the mask is True, NaN, inf or huge elsewhere


@st.composite
def token_tables(draw: st.DrawFn, low: float = -5, high: float = 0, min_length: int = 0) -> Tokens:
    """1 to 6 ragged sequences of `min_length` to 7 tokens, right-padded."""
    lengths = draw(st.lists(st.integers(min_length, 7), min_size=1, max_size=6))
    width = max(1, *lengths) + draw(st.integers(0, 3))
    values = draw(tensors((len(lengths), width), low, high))
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    return Tokens(values, mask, spoil(values, mask, draw(st.sampled_from(GARBAGE))))


def spoil(values: Tensor, mask: Tensor, garbage: float = float("nan")) -> Tensor:
    """`values`, with garbage where the mask is False."""
    return torch.where(mask, values, torch.full_like(values, garbage))


@st.composite
def splits(draw: st.DrawFn, size: int) -> list[list[int]]:
    """A partition of range(size) into micro-batches, in any order."""
    order = draw(st.permutations(range(size)))
    cuts = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
    return [list(order[start:stop]) for start, stop in zip([0, *cuts], [*cuts, size], strict=True)]
