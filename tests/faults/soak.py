"""One run with a checkpoint at every step, and many short runs in one process: nothing may grow."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.harness import Child, train
from tests.faults.outcomes import SAID, SKIPPED, WRONG, Trial, steps, stopped
from tests.faults.workshop import RECIPES, SAVED, Workshop

WARM = 0.25  # of the time: what is allocated then is kept
GROWTH_MIB = 48.0  # a run keeps a row of some thirty figures for each step: 3 to 4 KiB
Sample = dict[str, float]


def trials(shop: Workshop) -> Iterator[Trial]:
    """Half of the minutes each."""
    if not Path("/proc/self/statm").exists():
        yield Trial("a long run", SKIPPED, "no /proc here")
        return
    yield long_run(shop, 30 * shop.minutes)
    yield many_runs(shop, 30 * shop.minutes)


def sample(pid: int) -> Sample:
    """What a process has now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "MiB": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
    }


def long_run(shop: Workshop, seconds: float) -> Trial:
    """save_steps 1, an evaluation every other step, until SIGTERM."""
    fault, folder = "a long run", shop.fresh()
    arguments = [*SAVED, "--save-steps", 1, "--max-steps", 10**6, "--output-dir", folder]
    child = shop.start(arguments)
    samples = watched(child, seconds, lambda: {"files": files(folder)})
    child.send(signal.SIGTERM)
    ended = child.wait()
    trial = stopped(ended, (143,), fault)
    done = max(steps(folder), default=0)
    return judged(fault, samples, f"{done} steps", trial)


def files(folder: Path) -> int:
    """How many stand in a run's folder, beside the completions of which each evaluation writes one."""
    return sum(path.is_file() and path.parent.name != "completions" for path in folder.rglob("*"))


def watched(child: Child, seconds: float, more: Callable[[], Sample]) -> list[Sample]:
    """A sample every second or so."""
    samples, until = [], time.monotonic() + seconds
    while time.monotonic() < until and not child.ended():
        time.sleep(min(1.0, seconds / 60))
        try:
            samples.append(sample(child.pid) | more())
        except OSError:  # a checkpoint that was deleted while it was counted
            continue
    return samples


def many_runs(shop: Workshop, seconds: float) -> Trial:
    """Runs of two steps with and without a model, one after the other in one process."""
    fault, folder, log = "many runs in one process", shop.fresh(), shop.fresh()

    def runs(_: list[str]) -> int:
        until = time.monotonic() + seconds
        with log.open("w") as file:
            while time.monotonic() < until:
                for recipe in ("grao", "bandit", "ppo"):
                    flags: list[Any] = [*RECIPES[recipe], "--max-steps", 2, "--output-dir", folder]
                    code = train([str(flag) for flag in [*flags, "--overwrite-output-dir"]])
                    if code:
                        return code
                file.write(json.dumps(sample(os.getpid()) | {"alive": threading.active_count()}) + "\n")
                file.flush()
        return 0

    child = shop.start([], command=runs)
    ended = child.wait(seconds + 60)
    samples = [json.loads(line) for line in log.read_text().splitlines()]
    return judged(fault, samples, f"{3 * len(samples)} runs", stopped(ended, (0,), fault))


def judged(fault: str, samples: list[Sample], done: str, trial: Trial) -> Trial:
    """Flat after the warm-up, in every number."""
    if trial.bad:
        return trial
    warm = samples[int(len(samples) * WARM) :]
    if len(warm) < 8:
        return Trial(fault, WRONG, f"only {len(warm)} samples after the warm-up")
    first, last = (_typical(part) for part in (warm[: len(warm) // 4], warm[-(len(warm) // 4) :]))
    words = ", ".join(f"{name} {first[name]:.0f} to {last[name]:.0f}" for name in first)
    slack = {"MiB": GROWTH_MIB, "files": 12.0}  # a checkpoint that is being written
    grown = [name for name in first if last[name] - first[name] > slack.get(name, 0.5)]
    return Trial(fault, WRONG if grown else SAID, f"{done}: {words}" + (f"; grown: {grown}" if grown else ""))


def _typical(samples: list[Sample]) -> Sample:
    return {name: sorted(each[name] for each in samples)[len(samples) // 2] for name in samples[0]}
