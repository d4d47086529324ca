"""Settings: the steps."""

from dataclasses import dataclass
from typing import Any, Literal

from grao_ref.settings.kinds import Count, Fraction, Natural, NonNegative, Positive

Schedule = Literal[
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "polynomial",
    "inverse_sqrt",
    "warmup_stable_decay",
]


@dataclass(frozen=True)
class StepsGroup:
    """The steps."""

    per_device_train_batch_size: Count = 128
    """A micro-batch of each process: of sampled answers, a multiple of num_generations, because groups are never split;
    of rows in a method that samples nothing (sft, dpo). `compare` gives those 1/num_generations of it, so that every
    method sees the same prompts. The bandit ignores it."""
    gradient_accumulation_steps: Count = 1
    """Micro-batches of each optimiser step. They are sampled and trained on in turn, so that no more than one needs
    memory; the samples don't depend on how many there are."""
    max_steps: Count = 200
    """Optimiser steps; with num_iterations, batches of samples."""
    num_train_epochs: Positive | None = None
    """Passes through the training rows; where it is given, the number of steps follows from it, and a `max_steps`
    that is given beside it is ignored. A flag `--max-steps` alone beats the epochs of a config file or a preset."""
    learning_rate: Positive = 3e-4
    """Step size of the optimiser (in the bandit: of each run)."""
    lr_scheduler_type: Schedule = "constant"
    """How the learning rate changes from step to step, as transformers' get_scheduler has it (TRL's default: linear).
    With num_iterations above 1, the updates of a step share its rate."""
    lr_scheduler_kwargs: dict[str, Any] | None = None
    """More of the schedule's own settings, as JSON: '{"min_lr_rate": 0.1}' for cosine_with_min_lr."""
    warmup_steps: Natural = 0
    """Steps in which the learning rate rises from 0, first of all; the first step has the rate 0."""
    warmup_ratio: Fraction = 0.0
    """The same as a share of all steps, rounded up; `warmup_steps` comes first."""
    optimizer: Literal["sgd", "adam"] = "adam"
    """Adam, which the paper trains with, or plain gradient ascent, which the theory is about."""
    weight_decay: NonNegative = 0.0
    """Decoupled weight decay of Adam (the paper: 0.01)."""
    max_grad_norm: NonNegative = 1.0
    """Clip the gradient's norm to this; 0: no clipping, which the bandit needs, since its runs share no parameters."""
    max_skipped_steps: Natural = 0
    """Steps in a row whose objective or gradient is not finite that are skipped before the run stops; 0: the first one
    stops it. A skipped step changes no parameter and no moment, and is counted as a step (the metric `skipped`)."""
