"""What the loop asks of a task."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Batch


@runtime_checkable
class Task(Protocol):
    """Gives prompts with references, and scores answers to them."""

    independent_prompts: bool
    """True where prompts share no parameters: each is then a run of its own, and losses are added, not averaged."""

    def draw(self, rng: torch.Generator) -> Batch:
        """The prompts, references and rejected answers of one step."""

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G"]:
        """R(o, y) of each answer; the reference y itself is scored by the same call."""
