"""Training as a generator of reports: collect, update, report. Logging, checkpoints and stopping are the caller's."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.algorithms import ALGORITHMS
from grao_ref.collect import collect
from grao_ref.config import Config
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch
from grao_ref.tasks.interface import Task
from grao_ref.update import make_optimizer, update


@dataclass(frozen=True)
class Report:
    """What happened in one step: figures by prompt (or one for all), named as TRL names them, and GRAO's own."""

    step: int
    figures: dict[str, Float[Tensor, "N"] | Float[Tensor, ""]]

    def means(self) -> dict[str, float]:
        """Every figure's mean over the prompts."""
        return {name: value.mean().item() for name, value in self.figures.items()}


def train(task: Task, policy: Policy, config: Config) -> Iterator[Report]:
    """Train the policy in place; yields a report after each of `max_steps` steps."""
    algorithm = ALGORITHMS[config.method]
    optimizer = make_optimizer(policy, config)
    frozen = copy.deepcopy(policy) if algorithm.needs_frozen(config) else policy
    rng = torch.Generator().manual_seed(config.seed)
    for step in range(1, config.max_steps + 1):
        batch = collect(task, policy, frozen, algorithm, config, rng)
        denominator = 1 if task.independent_prompts else len(batch)
        for _ in range(config.num_iterations):
            figures = update(policy, optimizer, algorithm, batch, config, denominator)
        yield Report(step, figures | reward_figures(batch))


def reward_figures(batch: Batch) -> dict[str, Tensor]:
    """What the samples of a step earned, by prompt."""
    if batch.rewards is None or batch.advantages is None:
        return {}
    outputs, reference = batch.rewards.outputs, batch.rewards.reference
    return {
        "reward": outputs.mean(dim=-1),
        "reward_std": outputs.std(dim=-1, correction=0),
        "frac_reward_zero_std": (outputs.amax(dim=-1) == outputs.amin(dim=-1)).to(outputs.dtype),
        "reference/reward": reference,
        "reference/advantage": batch.advantages.reference,
        "reference/win_rate": (outputs > reference[:, None]).to(outputs.dtype).mean(dim=-1),
    }
