"""The random generators of a run, as a checkpoint holds them: those of every process, by name."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from grao_ref.training.state import Training


def note_generators(training: Training) -> None:
    """Keep the states of all processes' generators, as they are now. Every process calls this."""
    machine, own = training.machine, _own(training)
    training.generators = _named(machine.rank, own)  # at once: the exchange may fail
    for rank, states in enumerate(machine.every(own)):
        training.generators |= _named(rank, states)


def are_noted(training: Training) -> bool:
    """Whether the states of all processes are there: not where an exchange of them failed."""
    return all(_name(rank, "rng") in training.generators for rank in range(training.machine.processes))


def restore_generators(training: Training, tensors: dict[str, Tensor]) -> None:
    """Put this process's generators where they stood. Raises `KeyError` where one of them is missing."""
    for name, set_state in _setters(training).items():
        set_state(tensors[_name(training.machine.rank, name)])


def _own(training: Training) -> dict[str, Tensor]:
    states = {"rng": training.rng.get_state(), "torch_rng": torch.get_rng_state()}  # torch's: an adapter's dropout
    if training.policy.device.type == "cuda":
        states["torch_device_rng"] = torch.cuda.get_rng_state(training.policy.device)
    if training.sampling_rng is not training.rng:
        states["sampling_rng"] = training.sampling_rng.get_state()
    return states


def _setters(training: Training) -> dict[str, Callable[[Tensor], object]]:
    """What `_own` reads, to be written."""
    setters: dict[str, Callable[[Tensor], object]] = {"rng": training.rng.set_state, "torch_rng": torch.set_rng_state}
    if training.policy.device.type == "cuda":
        setters["torch_device_rng"] = partial(torch.cuda.set_rng_state, device=training.policy.device)
    if training.sampling_rng is not training.rng:
        setters["sampling_rng"] = training.sampling_rng.set_state
    return setters


def _named(rank: int, states: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_name(rank, name): state for name, state in states.items()}


def _name(rank: int, name: str) -> str:
    """A tensor's name in the file; those of the first process are named as in a run of one."""
    return name if rank == 0 else f"{name}.{rank}"
