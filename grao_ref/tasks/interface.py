"""What the loop asks of a task."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Batch


def weighted(parts: Float[Tensor, "N G F"], weights: dict[str, float]) -> Float[Tensor, "N G"]:
    """Σ_f weight_f · R_f over the functions that count and could score an answer; NaN where none could."""
    weight = parts.new_tensor(list(weights.values()))
    counted = ~parts.isnan() & (weight != 0)
    return (parts.nan_to_num(nan=0.0) * weight).sum(dim=-1).masked_fill(~counted.any(dim=-1), torch.nan)


@runtime_checkable
class Task(Protocol):
    """Gives prompts with references, and scores answers to them."""

    independent_prompts: bool
    """True where prompts share no parameters: each is then a run of its own, and losses are added, not averaged."""

    reward_weights: dict[str, float]
    """Name -> weight of each of the F reward functions."""

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """The prompts, references and rejected answers of a step; steps count from 1."""

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G F"]:
        """R(o, y) of each answer by each function, NaN: could not be scored. References are scored by the same call."""
