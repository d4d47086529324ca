"""Settings: the machine."""

from dataclasses import dataclass

from grao_ref.settings.kinds import Positive


@dataclass(frozen=True)
class MachineGroup:
    """The machine."""

    device: str = "auto"
    """Where: cpu, cuda, cuda:1; auto takes a GPU if there is one."""
    bf16: bool | None = None
    """Forward passes in bfloat16 autocast; the weights keep their `dtype`. By default on a GPU that supports it. On a
    CPU it is for scoring alone, since decoding is slower in it there; the first update's ratios are then not exactly 1
    (tutorial 13)."""
    gradient_checkpointing: bool = False
    """Compute hidden states again in the backward pass instead of keeping them: less memory, a third more time."""
    dry_run: bool = False
    """Print how much memory the run would need, and stop before anything is loaded."""
    device_memory: Positive | None = None
    """GB that the run may use, in place of what the device has free now: to plan for another machine, or where the
    estimate is wrong."""
