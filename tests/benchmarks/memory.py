"""Peak memory of a process or of a GPU, in MiB."""

import sys
from contextlib import suppress
from pathlib import Path

import torch


class Peak:
    """The most memory in use since this was made. On a CPU: resident memory, as Linux counts it (VmHWM).

    `getrusage` would not do: a child's peak begins with its parent's there. None where the system does not tell.
    """

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # the peak falls to what is resident now
        self.before = self._now()

    def _now(self) -> float | None:
        return torch.cuda.memory_allocated() / 2**20 if self.cuda else _status("VmRSS")

    def mib(self) -> dict[str, float | None]:
        """`peak_mib`, and `loaded_mib`: what was in use already, with the model loaded and the libraries imported."""
        peak = torch.cuda.max_memory_allocated() / 2**20 if self.cuda else _status("VmHWM")
        return {"peak_mib": peak, "loaded_mib": self.before}


def _status(name: str) -> float | None:
    if sys.platform != "linux":
        return None
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
