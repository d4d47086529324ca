"""Signals in every phase, and terminals and pipes that go; then the command that was printed goes on."""

import fcntl
import os
import pty
import shlex
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.harness import PHASES, Child, Ended
from tests.faults.kills import STEPS, TIMES, fresh, half
from tests.faults.outcomes import HANG, LOST, MISSAID, SAID, Trial, newest, resumed, steps, stopped
from tests.faults.workshop import RECIPES, SMALL, Workshop, resume

UNSAVED = [*SMALL, "--save-steps", 0]
RECIPES["unsaved"] = UNSAVED
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
AT_ONCE = 15.0  # seconds in which a stopped run has to be gone


def trials(shop: Workshop) -> Iterator[Trial]:
    """Signals, then standard streams."""
    phases = [phase for phase in PHASES if phase != "picture"]
    for number in CODES:
        for phase in phases if not shop.short else shop.rng.sample(phases, 2):
            for _ in range(shop.few(3, 1)):
                yield once(shop, number, phase, "grao" if shop.rng.random() < 0.5 else "unsaved")
    for number in CODES:
        for phase in shop.rng.sample(phases[:-1], shop.few(6, 1)):
            yield twice(shop, number, phase)
    for name in STREAMS if not shop.short else ("stdout closed", "| head -1", "stdout /dev/full", "12 columns"):
        yield streams(shop, name)


def begin(shop: Workshop, recipe: str, phase: str) -> tuple[Child, Path]:
    """A run that is in a phase now: a resumed one for `load`."""
    if phase == "load":
        folder = shop.copy(half(shop))
        arguments = resume(folder, "--max-steps", STEPS)
    else:
        folder = shop.fresh()
        arguments = [*RECIPES[recipe], "--max-steps", STEPS, "--output-dir", folder]
    child = shop.start(arguments)
    child.wait_for(phase, shop.rng.randint(1, TIMES.get(phase, 1)))
    time.sleep(shop.rng.uniform(0, 0.02))
    return child, folder


def once(shop: Workshop, number: int, phase: str, recipe: str) -> Trial:
    """A stop is a save, and what is printed goes on from it."""
    recipe = "grao" if phase in ("load", "save", "seal") else recipe
    fault = f"{signal.Signals(number).name} in {phase}"
    whole = shop.whole(recipe, STEPS)
    child, folder = begin(shop, recipe, phase)
    child.send(number)
    return after_stop(shop, child.wait(AT_ONCE), whole, folder, fault, CODES[number])


def after_stop(shop: Workshop, ended: Ended, whole: Path, folder: Path, fault: str, *codes: int) -> Trial:
    """Judge a stop with one of the codes, go on with the command that it printed, and compare."""
    if ended.code == 0:
        return resumed(ended, whole, folder, fault)
    trial = stopped(ended, codes, fault)
    if trial.bad:
        return trial
    last = max(steps(folder), default=0)
    if last and newest(folder) < last:
        return Trial(fault, LOST, f"step {last} was made, the newest checkpoint is {newest(folder)}: {ended.said}")
    if not last:
        return Trial(fault, SAID, ended.said)
    arguments = printed(ended)
    if arguments is None:
        return Trial(fault, MISSAID, f"the last line has no command: {ended.said}")
    trial = resumed(shop.run(arguments), whole, folder, fault)
    if not trial.bad:
        shop.drop(folder)
    return trial


def printed(ended: Ended) -> list[str] | None:
    """The arguments of the command in the last line of standard error, as a shell splits them."""
    line = ended.err.rstrip().rpartition("\n")[2]
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    return words[words.index("grao_ref.train") + 1 :] if "grao_ref.train" in words else None


def twice(shop: Workshop, number: int, phase: str) -> Trial:
    """The second one, a moment later, ends the run at once, and no checkpoint is half there."""
    fault = f"{signal.Signals(number).name} twice"
    child, folder = begin(shop, "grao", phase)
    child.send(number)
    time.sleep(shop.rng.choice([0.0, 0.001, 0.01]))
    child.send(number)
    ended = child.wait(AT_ONCE)
    if ended.code in (0, None):
        return Trial(fault, HANG, ended.said) if ended.code is None else resumed(
            ended, shop.whole("grao", STEPS), folder, fault
        )  # fmt: skip
    trial = stopped(ended, (CODES[number],), fault)
    if trial.bad:
        return trial
    going_on = shop.run(resume(folder, "--max-steps", STEPS) if newest(folder) else fresh(folder))
    return resumed(going_on, shop.whole("grao", STEPS), folder, fault)


Stream = Callable[[], tuple[Callable[[], object], Callable[[], object]]]  # for the child; for this process, afterwards


def _pipe() -> tuple[Callable[[], object], Callable[[], object]]:
    read, write = os.pipe()

    def after() -> None:
        os.close(write)
        os.read(read, 1)
        os.close(read)

    return lambda: (os.close(read), os.dup2(write, 1)), after


def _device(number: int, path: str) -> Stream:
    return lambda: (lambda: os.dup2(os.open(path, os.O_WRONLY), number), lambda: None)


def _closed(number: int) -> Stream:
    return lambda: (lambda: os.close(number), lambda: None)


def _terminal(columns: int, gone: bool = False) -> Stream:
    def made() -> tuple[Callable[[], object], Callable[[], object]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def after() -> None:
            os.close(theirs)
            while True:
                try:
                    if not os.read(ours, 65536) or gone:
                        break
                except OSError:
                    break
            os.close(ours)

        return lambda: os.dup2(theirs, 1), after

    return made


STREAMS: dict[str, Stream] = {
    "stdout closed": _closed(1),
    "stdin closed": _closed(0),
    "stderr closed": _closed(2),
    "| head -1": _pipe,
    "stdout /dev/full": _device(1, "/dev/full"),
    "stderr /dev/full": _device(2, "/dev/full"),
    "80 columns": _terminal(80),
    "12 columns": _terminal(12),
    "1 column": _terminal(1),
    "terminal gone": _terminal(80, gone=True),
}


def streams(shop: Workshop, name: str) -> Trial:
    """Whoever reads what is printed: the run goes to its end."""
    inside, after = STREAMS[name]()
    folder = shop.fresh()
    child = shop.start(fresh(folder), inside=inside)
    after()
    trial = resumed(child.wait(), shop.whole("grao", STEPS), folder, name, said=(1,))
    if not trial.bad:
        shop.drop(folder)
    return trial
