"""Training as a generator of reports: collect, update, report. Logging, checkpoints and stopping are the caller's."""

import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.methods.registry import method_of, require_needs
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, move
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.tasks.interface import Logged, LoggingTask, Task
from grao_ref.training.collect import collect
from grao_ref.training.generators import note_generators
from grao_ref.training.machine import ALONE, Machine
from grao_ref.training.metrics import (
    averaged,
    completion_metrics,
    joined,
    mean_of,
    on_cpu,
    reward_metrics,
    shares,
    with_skipped,
)
from grao_ref.training.schedule import make_schedule
from grao_ref.training.state import Training
from grao_ref.training.update import make_optimizer, updates


@dataclass(frozen=True, repr=False)
class Report:
    """What happened in one step."""

    step: int
    # by prompt, for the prompts that have it; or one for all. Of every process's prompts.
    metrics: dict[str, Float[Tensor, "M"] | Float[Tensor, ""]]
    batch: Batch  # of this process's prompts
    columns: dict[str, list[list[Any]]] = field(default_factory=dict)  # of reward functions: by prompt, by sample

    def __repr__(self) -> str:
        """The step and its means: tensors would fill the screen.

        >>> Report(3, {"loss": torch.tensor([0.5, 1.0])}, None)
        Report(step=3, loss=0.75)
        """
        means = ", ".join(f"{name}={mean:.4g}" for name, mean in self.means().items())
        return f"Report(step={self.step}, {means})"

    def means(self) -> dict[str, float]:
        """Every metric's mean over the prompts that have it."""
        means = {name: mean_of(values) for name, values in self.metrics.items()}
        return {name: mean for name, mean in means.items() if mean is not None}


def start(policy: Policy, config: Config, machine: Machine = ALONE) -> Training:
    """A run before its first step. Raises `ValueError` on settings that no run can use together."""
    check(config)
    needs = require_needs(method_of(config.method), config)
    rng, sampling_rng = machine.generators(config.seed, policy.device)
    optimizer = make_optimizer(policy, config)
    return Training(
        policy,
        policy.frozen() if needs.reference_model else policy,
        optimizer,
        make_schedule(optimizer, config),
        rng,
        sampling_rng,
        machine,
    )


def train(task: Task, policy: Policy, config: Config) -> Iterator[Report]:
    """Train the policy in place; yields a report after each of `max_steps` steps."""
    return proceed(task, start(policy, config), config)


def proceed(
    task: Task,
    training: Training,
    config: Config,
    at_once: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Report]:
    """Go on from where a run stands, up to `max_steps`.

    at_once: entered while answers are sampled and scored, which changes nothing yet. A signal may break that off, and
    waits for the end of the step otherwise: then a run stands between two steps at any time.
    """
    machine, policy, optimizer = training.machine, training.policy, training.optimizer
    own = set[str]()  # names of the trainer's metrics
    while training.step < config.max_steps:
        note_generators(training)
        began = time.perf_counter()
        prompts = move(machine.prompts(task.draw(training.rng, training.step + 1)), policy.device)
        optimizer.zero_grad(set_to_none=True)  # the last step's gradients need no memory while answers are sampled
        with at_once():
            batch = machine.together(
                partial(collect, prompts, task, policy, training.reference_model, config, training.sampling_rng)
            )
        logged = task.logged if batch.samples is not None and isinstance(task, LoggingTask) else Logged()
        said: list[Mapping[str, float]] = [*machine.every(logged.metrics)]
        _require_other_names(said, own)  # before anything changes
        tokens = machine.total(0 if batch.samples is None else int(batch.samples.mask.sum()))
        made, training.skipped = updates(
            policy,
            optimizer,
            batch,
            config,
            independent_prompts=task.independent_prompts,
            machine=machine,
            skipped=training.skipped,
        )
        rate = torch.tensor(optimizer.param_groups[0]["lr"])
        training.schedule.step()  # to the next step's rate
        training.step, training.tokens = training.step + 1, training.tokens + tokens
        note_generators(training)
        metrics = joined(
            machine.every(on_cpu(averaged(made) | reward_metrics(batch, task) | completion_metrics(batch)))
        )
        if config.max_skipped_steps:
            metrics = with_skipped(metrics, training.skipped > 0)
        metrics |= shares(metrics)
        metrics["learning_rate"] = rate
        metrics["num_tokens"] = torch.tensor(float(training.tokens))
        metrics["step_time"] = torch.tensor(time.perf_counter() - began)  # seconds
        own = set(metrics)
        _require_other_names(said, own)  # in the first step
        yield Report(training.step, metrics | _averaged_over_processes(said), batch, logged.columns)


def _require_other_names(logged: list[Mapping[str, float]], own: Container[str]) -> None:
    """Raise `ValueError` where a reward function logs a metric by a name of the trainer's own."""
    for name in (name for each in logged for name in each if name in own):
        raise ValueError(f"a reward function logs the metric {name!r}, which the trainer logs itself; rename it")


def _averaged_over_processes(logged: list[Mapping[str, float]]) -> dict[str, Tensor]:
    names = dict.fromkeys(name for each in logged for name in each)
    return {name: torch.tensor([each[name] for each in logged if name in each]).mean() for name in names}
