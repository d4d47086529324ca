"""The machine, in words; run as `python -m tests.benchmarks.machine`, so that the driver does not import torch."""

import json
import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # those that decide how fast a CPU multiplies matrices


def describe() -> dict[str, Any]:
    """CPU, its flags, cores, memory, GPU, versions; and `smollm2`, `trl`: None, or why it can't be measured here."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "cpu": _cpu("model name") or platform.processor() or platform.machine(),
        "flags": [flag for flag in FLAGS if flag in (_cpu("flags") or "").split()],
        "cores": os.cpu_count(),
        "memory_gib": _gib(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("grao_ref", "torch", "transformers", "trl", "accelerate")},
        "lacks": {name: problem for name, problem in (("smollm2", _smollm2()), ("trl", _trl())) if problem},
    }


def version(name: str) -> str | None:
    """A package's version, None where it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _cpu(name: str) -> str | None:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return None


def _gib() -> float | None:
    with suppress(OSError, ValueError):
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return None


def _smollm2() -> str | None:
    from grao_ref.policies.smollm2 import smollm2_folder

    try:
        smollm2_folder()
    except ValueError as error:
        return str(error)
    return None


def _trl() -> str | None:
    from tests.parity.conftest import trl_problem

    return trl_problem()


if __name__ == "__main__":
    print(json.dumps(describe()))
