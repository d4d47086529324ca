"""The device of a run, and its processes: what one process alone does where several would exchange something.

Processes differ in what is defined here: which prompts of a step a process takes, the denominator of the whole batch,
the sum of the gradients, the seeds of the random generators, and which process writes files. `Ranks` (`ranks.py`) are
several of them.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from grao_ref.records import Batch

Value = TypeVar("Value")


@dataclass(frozen=True)
class Machine:
    """A process, numbered from 0, and how many the run has. Here there is one: nothing is exchanged."""

    rank: int = 0
    processes: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process evaluates the policy and writes the run's files."""
        return self.rank == 0

    def prompts(self, batch: Batch) -> Batch:
        """The prompts of a step that this process takes."""
        return batch

    def whole(self, batch: Batch) -> Batch:
        """The batch of all processes' prompts, over which the denominator of a step is counted."""
        return batch

    def total(self, count: int) -> int:
        """The sum of a number over the processes."""
        return count

    def add_up(self, parameters: Iterable[Tensor]) -> None:
        """Replace each parameter's gradient by its sum over the processes."""

    def every(self, value: Value) -> list[Value]:
        """The values of all processes, by rank; each process calls this with its own."""
        return [value]

    def together(self, work: Callable[[], Value]) -> Value:
        """What `work` returns in this process, once it has returned in every process."""
        return work()

    def generators(self, seed: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
        """The task's random generator, the same in every process, and the sampler's, on its device.

        In one process on a CPU they are one generator.
        """
        rng = torch.Generator().manual_seed(seed)
        if device.type == "cpu":
            return rng, rng
        return rng, torch.Generator(device).manual_seed(seed)


ALONE = Machine()


def rank_and_processes() -> tuple[int, int]:
    """RANK and WORLD_SIZE, as torchrun and its like set them; 0 of 1 where they are missing.

    Raises `ValueError` on what is no such pair of whole numbers.
    """
    rank, processes = (os.environ.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    if not (rank.isdigit() and processes.isdigit() and int(rank) < int(processes)):
        raise ValueError(
            f"RANK and WORLD_SIZE must be whole numbers, the first below the second, got {rank!r} and {processes!r}"
        )
    return int(rank), int(processes)


def require_one_process(what: str) -> None:
    """Raise `ValueError` in one of several processes: each would do the same once more."""
    _, processes = rank_and_processes()
    if processes > 1:
        raise ValueError(
            f"{what} in one process, and this is one of {processes} (torchrun, WORLD_SIZE); several processes train "
            f"one run with {command_of(processes)}"
        )


def in_processes(count: int) -> str:
    """How many processes, in words."""
    return "1 process" if count == 1 else f"{count} processes"


def command_of(processes: int) -> str:
    """What starts a run of so many processes.

    >>> command_of(2)
    'torchrun --nproc-per-node 2 -m grao_ref.train'
    """
    return f"{'python' if processes == 1 else f'torchrun --nproc-per-node {processes}'} -m grao_ref.train"


def choose_device(device: str) -> torch.device:
    """`auto`: a GPU if there is one. Raises `ValueError` on a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} can't be used here: {str(error).splitlines()[0]}") from None
    return torch.device(device)
