"""Settings: the machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MachineGroup:
    """The machine."""

    device: str = "auto"
    """Where: cpu, cuda, cuda:1; auto takes a GPU if there is one."""
    bf16: bool | None = None
    """Forward passes in bfloat16 autocast; the weights keep their `dtype`. By default on a GPU that supports it. On a
    CPU it is for scoring alone, since decoding is slower in it there; the first update's ratios are then not exactly 1
    (tutorial 9)."""
    gradient_checkpointing: bool = False
    """Compute hidden states again in the backward pass instead of keeping them: less memory, a third more time."""
