"""One side in a process of its own: `python -m tests.benchmarks.side NAME WORKLOADS`, told what to do by the driver."""

import gc
import json
import os
import sys
from collections.abc import Callable
from functools import partial

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from tests.benchmarks.materials import Materials, materials
from tests.benchmarks.pace import Pace
from tests.benchmarks.workload import OURS, Workload


def runner(name: str) -> Callable[[Pace, Materials], None]:
    """The function that makes a side's steps. Imported here, so that no side carries another one's libraries."""
    if name in ("grao", "grpo", "slowed", "paged"):
        from tests.benchmarks import ours

        method = name if name in OURS else "grao"
        return partial(ours.run, method=method, slowed=name == "slowed", paged=name == "paged")
    if name in ("floor", "floor-grpo"):
        from tests.benchmarks import floor

        return partial(floor.run, method="grpo" if name == "floor-grpo" else "grao")
    if name in ("trl", "trl-defaults", "trl-products"):
        from tests.benchmarks import theirs

        return partial(theirs.run, defaults=name == "trl-defaults", products=name == "trl-products")
    raise ValueError(f"there is no side {name!r}")


def main() -> None:
    """Workload after workload, as the driver asks for them."""
    run, workloads = runner(sys.argv[1]), [Workload(**each) for each in json.loads(sys.argv[2])]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for order in iter(sys.stdin.readline, ""):
        workload = workloads[json.loads(order)["index"]]
        torch.set_num_threads(workload.threads)
        made = materials(workload)
        gc.collect()  # of the workload before
        pace = Pace(sys.stdin, answers, workload)
        run(pace, made)
        pace.finish()
        del pace, made


if __name__ == "__main__":
    main()
