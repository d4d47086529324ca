"""What changes from step to step, and what a checkpoint therefore holds."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from grao_ref.policies.interface import Policy
from grao_ref.training.machine import ALONE, Machine


@dataclass
class Training:
    """All that changes from step to step, and nothing else."""

    policy: Policy
    reference_model: Policy  # the policy before the first step, where the method needs it; else the policy
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler  # of the optimiser's learning rate, step by step
    rng: torch.Generator  # the task's random generator
    sampling_rng: torch.Generator  # the policy's, on its device: on a CPU they are one
    machine: Machine = ALONE
    step: int = 0
    tokens: int = 0  # sampled so far
    skipped: int = 0  # of the last steps, one behind the other (`max_skipped_steps`)
    # The generators of all processes as they stood after the last whole step (`generators.py`): a step that is broken
    # off has drawn from them, and is made again from here.
    generators: dict[str, Tensor] = field(default_factory=dict)
