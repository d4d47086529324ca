"""SIGKILL at random moments, in every phase, again and again, and before each file operation; then the run goes on."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.harness import PHASES, visits
from tests.faults.outcomes import EXACT, LOST, WRONG, Trial, newest, resumed
from tests.faults.workshop import RECIPES, Workshop, resume

STEPS = 6
TIMES = {"collect": 6, "update": 6, "save": 3, "seal": 3, "evaluate": 3}  # how often a run does these; others once
RECIPE = "grao"
WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"}


def trials(shop: Workshop) -> Iterator[Trial]:
    """Every kind of kill."""
    whole = shop.whole(RECIPE, STEPS)
    yield from in_phases(shop, whole)
    yield from at_random(shop, whole)
    yield from at_file_operations(shop, whole)


def fresh(folder: Path) -> list[Any]:
    """A new run, whatever an earlier one left in its folder."""
    return [*RECIPES[RECIPE], "--max-steps", STEPS, "--output-dir", folder, "--overwrite-output-dir"]


def go_on(folder: Path) -> list[Any]:
    """From the newest checkpoint, or from the beginning where there is none."""
    return resume(folder, "--max-steps", STEPS) if newest(folder) else fresh(folder)


def in_phases(shop: Workshop, whole: Path) -> Iterator[Trial]:
    """A moment after the phase has begun."""
    for phase in PHASES:
        for _ in range(shop.few(12, 1)):
            folder = shop.fresh()
            if phase == "load":
                shop.drop(folder)
                folder = shop.copy(half(shop))
            child = shop.start(go_on(folder))
            child.wait_for(phase, shop.rng.randint(1, TIMES.get(phase, 1)))
            time.sleep(shop.rng.uniform(0, 0.02))
            yield after_kill(shop, child, whole, folder, f"killed in {phase}")


def half(shop: Workshop) -> Path:
    """A run that ended two steps earlier, and goes on."""
    return shop.whole(RECIPE, STEPS - 2)


def at_random(shop: Workshop, whole: Path) -> Iterator[Trial]:
    """Once, or several times in one run's life."""
    for times in [1] * shop.few(40, 3) + [2, 3, 4][: shop.few(3, 1)] * shop.few(10, 1):
        folder = shop.fresh()
        for _ in range(times):
            child = shop.start(go_on(folder))
            time.sleep(shop.rng.uniform(0.0, 0.9))
            child.send(signal.SIGKILL)
            child.wait()
        yield after_kill(shop, child, whole, folder, "killed at random" if times == 1 else "killed several times")


def after_kill(shop: Workshop, child: Any, whole: Path, folder: Path, fault: str) -> Trial:
    """Kill; then go on to the end; nothing that was checkpointed may be gone."""
    child.send(signal.SIGKILL)
    child.wait()
    before = newest(folder) if folder.exists() else 0
    ended = shop.run(go_on(folder))
    trial = resumed(ended, whole, folder, fault)
    redone = visits("collect")
    if trial.seen == EXACT and before and redone > STEPS - before:
        trial = Trial(fault, LOST, f"checkpoint-{before} was there, and {redone} steps were made again")
    if not trial.bad:
        shop.drop(folder)
    return trial


def at_file_operations(shop: Workshop, whole: Path) -> Iterator[Trial]:
    """Before the n-th operation in the run's folder, for every n; every few in the short form."""
    for what in ("new", "resumed"):
        number = shop.few(1, shop.rng.randint(1, 4))
        while True:
            folder = shop.fresh() if what == "new" else shop.copy(half(shop))
            child = shop.start(go_on(folder), inside=trap(folder, number, die))
            ended = child.wait()
            if ended.code != -signal.SIGKILL:
                if ended.code != 0:
                    yield Trial(f"killed at a file operation, {what} run", WRONG, ended.said)
                shop.drop(folder)
                break
            yield after_kill(shop, child, whole, folder, f"killed at a file operation, {what} run")
            number += shop.few(1, 25)


def trap(folder: Path, number: int, then: Callable[[], object]) -> Callable[[], None]:
    """For the child: `then` is called before the `number`-th operation on files below the folder."""

    def set_trap() -> None:
        count = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            if is_write(event, arguments) and str(folder) in os.fsdecode(_path(arguments)):
                count += 1
                if count == number:
                    then()

        sys.addaudithook(hook)

    return set_trap


def die() -> None:
    """At once, without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def is_write(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event changes files."""
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        return not (isinstance(mode, str) and mode.startswith("r") and "+" not in mode) and bool(
            not isinstance(flags, int) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
    return event in WRITES


def _path(arguments: tuple[Any, ...]) -> Any:
    first = arguments[0] if arguments else ""
    return first if isinstance(first, str | bytes | os.PathLike) else ""
