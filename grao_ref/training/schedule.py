"""The learning rate of each step, by transformers' `get_scheduler`. It counts steps, not the updates within one."""

import math
from dataclasses import replace

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from grao_ref.methods.registry import prompts_per_step
from grao_ref.settings.config import Config

ENDLESS = {"constant", "constant_with_warmup", "inverse_sqrt"}  # whose rates do not depend on the number of steps


def make_schedule(optimizer: torch.optim.Optimizer, config: Config) -> LRScheduler:
    """The schedule that the settings name, at its first step: the optimiser has that step's rate.

    A constant rate with a warm-up is transformers' constant_with_warmup, since `constant` alone ignores the warm-up.
    Raises `ValueError` on `lr_scheduler_kwargs` that the schedule does not have, and on those that it needs.
    """
    kwargs = config.lr_scheduler_kwargs
    warmup, name = warmup_of(config), str(config.lr_scheduler_type)
    if name == "constant" and not warmup and not kwargs:
        return LambdaLR(optimizer, _constant)  # without transformers, which the bandit does not import
    from transformers import get_scheduler

    name = "constant_with_warmup" if name == "constant" else name
    try:
        if kwargs and name == "constant_with_warmup":
            raise TypeError(f"it has none, got {', '.join(kwargs)}")
        schedule: LRScheduler = get_scheduler(name, optimizer, warmup, config.max_steps, kwargs)
        return schedule
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"lr_scheduler_kwargs of the {config.lr_scheduler_type} schedule: {reason}") from None


def warmup_of(config: Config) -> int:
    """Steps of the warm-up: `warmup_steps`, or the share `warmup_ratio` of all steps, rounded up."""
    return config.warmup_steps or math.ceil(config.warmup_ratio * config.max_steps)


def with_steps(config: Config, rows: int, processes: int = 1) -> Config:
    """The config with the steps that its `num_train_epochs` passes through the rows take, the last one rounded up."""
    if config.num_train_epochs is None:
        return config
    steps = config.num_train_epochs * rows / (prompts_per_step(config) * processes)
    return replace(config, max_steps=max(1, math.ceil(round(steps, 6))))


def in_epochs(config: Config) -> str:
    """How many steps the epochs are, for the log; nothing where they were not asked for."""
    if config.num_train_epochs is None:
        return ""
    return f"; {config.num_train_epochs:g} epochs are {config.max_steps} steps"


def fixed_by_schedule(config: Config) -> set[str]:
    """The settings that a resumed run must keep, because the rates depend on the number of steps."""
    share = config.warmup_ratio > 0 and config.warmup_steps == 0
    if config.lr_scheduler_type in ENDLESS and not share:
        return set()
    return {"num_train_epochs"} if config.num_train_epochs else {"num_train_epochs", "max_steps"}


def _constant(_: int) -> float:
    return 1.0
