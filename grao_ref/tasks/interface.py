"""What the training loop needs from a task."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Batch, Scores


def weighted(scores: Scores, weights: dict[str, float]) -> tuple[Float[Tensor, "N G"], Bool[Tensor, "N G"]]:
    """(Σ_f weight_f · R_f, scored): the weighted sum over the functions that could score an answer.

    `weights`: the F weights in the order of the scores. A function of weight 0 is recorded and never counts. Where no
    function that counts could score an answer, its sum is 0 and `scored` is False.
    """
    weight = scores.values.new_tensor(list(weights.values()))
    counted = scores.scored & (weight != 0)
    return (scores.values * weight).masked_fill(~counted, 0.0).sum(dim=-1), counted.any(dim=-1)


@runtime_checkable
class Task(Protocol):
    """Gives prompts with references, and scores answers to them."""

    independent_prompts: bool
    """True where prompts share no parameters: each is then a run of its own, and losses are added, not averaged."""

    reward_weights: dict[str, float]
    """Name -> weight of each of the F reward functions."""

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """The prompts, references and rejected answers of a step; steps count from 1."""

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Scores:
        """What each function gives each answer o, R(o, y)."""

    def reward_references(self, batch: Batch) -> Scores:
        """What each function gives each reference, R(y, y): shape (N, 1, F), by the same functions.

        A reference without a token is not scored. A task of token ids returns `references_as_answers(self, batch)`.
        """


@dataclass(frozen=True)
class Logged:
    """What reward functions logged beside the rewards of some answers."""

    metrics: dict[str, float] = field(default_factory=dict)  # of all these answers together
    columns: dict[str, list[list[Any]]] = field(default_factory=dict)  # one value for each answer, by prompt: N lists


@runtime_checkable
class LoggingTask(Task, Protocol):
    """A task whose reward functions log something of their own. A task need not be one."""

    logged: Logged
    """Of the last call of `reward`."""

    def at(self, step: int) -> None:
        """Take note that this many optimiser steps are done, for reward functions that ask."""


def references_as_answers(task: Task, batch: Batch) -> Scores:
    """R(y, y) by scoring the references' tokens like sampled answers: for tasks whose answers are tokens, not texts."""
    mask = batch.references.mask[:, None]
    scores = task.reward(batch, batch.references.ids[:, None], mask)
    return Scores(scores.values, scores.scored & mask.any(dim=-1)[..., None])
