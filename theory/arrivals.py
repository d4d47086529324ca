"""When runs of a bandit reach V >= 0.9, and the SFT that some begin with: for `theory.race` and exp-crowd."""

from typing import Any

import torch
from torch import Tensor

from theory import runs

GOAL, TAUGHT, SFT_STEPS = 0.9, 0.5, 60


def rare(p: float, failures: int, rows: int) -> Tensor:
    """Logits of a policy that finds the best answer with probability p, the reference too, and else fails: (N, K)."""
    return torch.tensor([p, p, *[(1 - 2 * p) / failures] * failures]).log().expand(rows, -1).clone()


def first_arrivals(rewards: Tensor, logits: Tensor, config: Any, cells: int, enough: float = 1.0) -> Tensor:
    """The step at which each row's V first reaches the goal; infinite where it does not before the run ends, which it
    does once more than this share of the rows of every cell have arrived.
    """
    first = torch.full((len(logits),), torch.inf)
    for step in runs.run(rewards, 1, logits, config):
        first = torch.where(first.isinf() & (step.value >= GOAL), torch.full_like(first, step.step), first)
        if bool((first.view(cells, -1).isfinite().float().mean(1) > enough).all()):
            break
    return first


def taught(rewards: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The tables once SFT has brought the reference to probability 1/2, and after how many steps."""
    tables, lessons = logits, torch.zeros(len(logits))
    for step in runs.run(rewards, 1, logits, runs.settings(method="sft", learning_rate=0.2, max_steps=SFT_STEPS)):
        short = tables.softmax(-1)[:, 1:2] < TAUGHT
        if not short.any():
            break
        tables = torch.where(short, step.theta, tables)
        lessons = torch.where(short[:, 0], torch.full_like(lessons, step.step), lessons)
    return tables, lessons
