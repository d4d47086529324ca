"""The package's own training loop. N independent rows of a tabular policy are N seeds at once.

This is the only file of the laboratory that imports the loop.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch, Scores
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.loop import Report, train

EIGHT = {"num_generations": 8, "max_steps": 100, "eval_steps": 1_000_000}


def settings(**changes: Any) -> Config:
    """The bandit's preset with the paper's G, β and λ, on SGD unless it is changed."""
    return replace(PRESETS["bandit"], **(EIGHT | changes))


class Rows(Bandit):
    """N bandits of K answers that differ from row to row. `rewards`: (N, K); `reference`: the index of y."""

    def __init__(self, rewards: Tensor, reference: int) -> None:
        super().__init__(rewards[0], reference, len(rewards))
        self.table = rewards

    def reward(self, batch: Batch, ids: Tensor, mask: Tensor) -> Scores:
        """R(q, a), looked up in each prompt's own row."""
        return Scores.complete(self.table[batch.prompts.ids[:, 0]].gather(-1, ids[..., 0])[..., None])

    def expected_reward(self, theta: Tensor) -> Tensor:
        """V(θ) of each row."""
        value: Tensor = (theta.detach().softmax(dim=-1) * self.table).sum(-1)
        return value


@dataclass(frozen=True)
class Step:
    """After a step: the metrics of the loop's report, and the table it left."""

    step: int
    metrics: dict[str, Tensor]
    theta: Tensor  # (N, K)
    value: Tensor  # (N,)


def run(rewards: Tensor, reference: int, logits: Tensor, config: Config) -> Iterator[Step]:
    """Train N rows; rewards (K,) or (N, K), logits (N, K). Yields the start as step 0, then every step."""
    table = rewards.expand(len(logits), -1) if rewards.dim() == 1 else rewards
    task, policy = Rows(table, reference), TabularPolicy(logits)
    yield Step(0, {}, policy.theta.detach().clone(), task.expected_reward(policy.theta))
    report: Report
    for report in train(task, policy, config):
        yield Step(report.step, report.metrics, policy.theta.detach().clone(), task.expected_reward(policy.theta))


def start(rewards: Tensor, probabilities: list[float], rows: int) -> tuple[Tensor, Tensor]:
    """Rewards (K,) in float64 and logits (N, K) of a policy with these probabilities."""
    logits = torch.tensor(probabilities, dtype=torch.float64).log()
    return rewards.double(), logits.expand(rows, -1).clone()


def values(rewards: Tensor, reference: int, logits: Tensor, config: Config) -> Tensor:
    """V after each step, the start included: (S + 1, N)."""
    return torch.stack([step.value for step in run(rewards, reference, logits, config)])


def after(rewards: Tensor, reference: int, logits: Tensor, config: Config) -> Tensor:
    """The tables after the last step: (N, K)."""
    *_, last = run(rewards, reference, logits, config)
    return last.theta
