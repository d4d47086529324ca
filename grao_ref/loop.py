"""Training as a generator of reports: collect, update, report. Logging, checkpoints and stopping are the caller's."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.algorithms import ALGORITHMS
from grao_ref.collect import collect
from grao_ref.config import Config
from grao_ref.figures import completion_figures, reward_figures, shares
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, move
from grao_ref.tasks.interface import Task
from grao_ref.update import make_optimizer, update


@dataclass(frozen=True)
class Report:
    """What happened in one step: figures by prompt (or one for all), named as TRL names them, and GRAO's own."""

    step: int
    figures: dict[str, Float[Tensor, "N"] | Float[Tensor, ""]]
    batch: Batch

    def means(self) -> dict[str, float]:
        """Every figure's mean over the prompts that have it."""
        means = {name: value.double().nanmean().item() for name, value in self.figures.items()}
        return {name: mean for name, mean in means.items() if mean == mean}


@dataclass
class Training:
    """All that changes from step to step, and nothing else: what a checkpoint holds."""

    policy: Policy
    frozen: Policy  # as it was before the first step
    optimizer: torch.optim.Optimizer
    rng: torch.Generator  # the task's dice
    sampling_rng: torch.Generator  # the policy's, on its device: on a CPU they are one
    step: int = 0
    tokens: int = 0  # sampled so far


def start(policy: Policy, config: Config) -> Training:
    """A run before its first step."""
    rng = torch.Generator().manual_seed(config.seed)
    on_cpu = policy.device.type == "cpu"
    return Training(
        policy,
        policy.frozen() if ALGORITHMS[config.method].needs_frozen(config) else policy,
        make_optimizer(policy, config),
        rng,
        rng if on_cpu else torch.Generator(policy.device).manual_seed(config.seed),
    )


def train(task: Task, policy: Policy, config: Config) -> Iterator[Report]:
    """Train the policy in place; yields a report after each of `max_steps` steps."""
    return proceed(task, start(policy, config), config)


def proceed(task: Task, training: Training, config: Config) -> Iterator[Report]:
    """Go on from where a run stands, up to `max_steps`."""
    while training.step < config.max_steps:
        began = time.perf_counter()
        prompts = move(task.draw(training.rng, training.step + 1), training.policy.device)
        batch = collect(prompts, task, training.policy, training.frozen, config, training.sampling_rng)
        for _ in range(config.num_iterations):
            figures = update(
                training.policy, training.optimizer, batch, config, independent_prompts=task.independent_prompts
            )
        training.step += 1
        training.tokens += 0 if batch.samples is None else int(batch.samples.said.sum())
        figures |= reward_figures(batch, task) | completion_figures(batch) | shares(figures)
        figures["num_tokens"] = torch.tensor(float(training.tokens))
        figures["step_time"] = torch.tensor(time.perf_counter() - began)  # seconds
        yield Report(training.step, figures, batch)
