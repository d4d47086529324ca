"""Devices and processes of a run: random generators, the count over all processes, which process writes.

A run has one process today. With several, they will differ in what is defined here: which prompts of a step a process
takes, the denominator of the whole batch, the seeds of the random generators, and which process writes files.
"""

import os
from dataclasses import dataclass

import torch

from grao_ref.records import Batch


@dataclass(frozen=True)
class Machine:
    """The rank of this process, and how many processes the run has."""

    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        """Raise `ValueError` on more than one process: each would train a run of its own."""
        if self.processes != 1 or self.rank != 0:
            raise ValueError(
                f"one process trains a run, and this is one of {self.processes} (torchrun, WORLD_SIZE): "
                "start it with python -m grao_ref.train"
            )

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def prompts(self, batch: Batch) -> Batch:
        """The prompts of a step that this process takes."""
        return batch

    def total(self, count: int) -> int:
        """A count over every process's prompts: the denominator of a step."""
        return count

    def generators(self, seed: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
        """The task's random generator, the same in every process, and the sampler's, on its device.

        On a CPU they are one generator.
        """
        rng = torch.Generator().manual_seed(seed)
        if device.type == "cpu":
            return rng, rng
        return rng, torch.Generator(device).manual_seed(seed)


ALONE = Machine()


def this_machine() -> Machine:
    """As torchrun and its like describe it. Raises `ValueError` on more than one process."""
    rank, processes = (os.environ.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    if not (rank.isdigit() and processes.isdigit()):
        raise ValueError(f"RANK and WORLD_SIZE must be whole numbers, got {rank!r} and {processes!r}")
    return Machine(int(rank), int(processes))


def choose_device(device: str) -> torch.device:
    """`auto`: a GPU if there is one. Raises `ValueError` on a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} can't be used here: {str(error).splitlines()[0]}") from None
    return torch.device(device)
