"""The random generators of a run, as a checkpoint holds them: those of every process, by name."""

import torch
from torch import Tensor

from grao_ref.training.loop import Training

NAMES = ("rng", "sampling_rng", "torch_rng", "torch_device_rng")


def generators_of(training: Training) -> dict[str, Tensor]:
    """The states of all processes' generators. Every process calls this."""
    states = training.machine.every(_own(training))
    return {_name(rank, name): state for rank, own in enumerate(states) for name, state in own.items()}


def restore_generators(training: Training, tensors: dict[str, Tensor]) -> None:
    """Put this process's generators where they stood. Raises `KeyError` where the task's is missing.

    A checkpoint that was written before adapters had dropout has no state of torch's own generators. A GPU generator's
    state can't be loaded on a CPU: a run that moves there continues with other samples.
    """
    rank, device = training.machine.rank, training.policy.device
    own = {name: tensors[_name(rank, name)] for name in NAMES if _name(rank, name) in tensors}
    training.rng.set_state(own["rng"])
    if "sampling_rng" in own and training.sampling_rng is not training.rng:
        training.sampling_rng.set_state(own["sampling_rng"])
    if "torch_rng" in own:
        torch.set_rng_state(own["torch_rng"])
    if "torch_device_rng" in own and device.type == "cuda":
        torch.cuda.set_rng_state(own["torch_device_rng"], device)


def _own(training: Training) -> dict[str, Tensor]:
    states = {"rng": training.rng.get_state(), "torch_rng": torch.get_rng_state()}  # torch's: an adapter's dropout
    if training.policy.device.type == "cuda":
        states["torch_device_rng"] = torch.cuda.get_rng_state(training.policy.device)
    if training.sampling_rng is not training.rng:
        states["sampling_rng"] = training.sampling_rng.get_state()
    return states


def _name(rank: int, name: str) -> str:
    """A tensor's name in the file; those of the first process are named as in a run of one."""
    return name if rank == 0 else f"{name}.{rank}"
