"""How much memory a device has free."""

from contextlib import suppress
from pathlib import Path

import torch

CGROUP = Path("/sys/fs/cgroup")  # a container's limit
MEMINFO = Path("/proc/meminfo")


def free_memory(device: torch.device) -> int | None:
    """Bytes that a new run could use: of a GPU, or of the machine within its container's limit. None: unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    known = [each for each in (_available(), _left_in_container()) if each is not None]
    return min(known, default=None)


def _available() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = MEMINFO.read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    return None


def _left_in_container() -> int | None:
    with suppress(OSError, ValueError):  # a limit of `max` is none
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = [line.split()[1] for line in (CGROUP / "memory.stat").read_text().splitlines() if line[:5] == "file "]
        return limit - used + sum(map(int, cached))
    return None
