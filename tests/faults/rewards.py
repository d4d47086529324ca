"""Reward functions that misbehave from some call on, each a module of its own; mended, the run goes on."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.outcomes import LOST, Trial, newest, resumed, stopped
from tests.faults.signals import AT_ONCE, after_stop
from tests.faults.workshop import SAVED, SMALL, Workshop

STEPS = 6
HEAD = """
import asyncio, os, random, signal, sys, time
from pathlib import Path

CALLS = 0
FAULT = Path(__file__).with_suffix(".fault")

def good(completions, solution):
    return [sum(a == b for a, b in zip(text, right)) / 5 for text, right in zip(completions, solution)]

"""
BODY = """
def reward(prompts, completions, solution, **columns):
    global CALLS
    CALLS += 1
    if FAULT.exists() and CALLS >= int(FAULT.read_text()):
        FAULT.with_suffix(".here").touch()
{fault}
    return good(completions, solution)
"""
REFUSED = (2,)
FAULTS: dict[str, tuple[str, tuple[int, ...]]] = {  # the code, and the exit codes that are right
    "raises ValueError": ("raise ValueError('no score')", REFUSED),
    "raises KeyError": ("return [{}['absent'] for _ in completions]", REFUSED),
    "raises an exception of its own": ("raise type('Own', (BaseException,), {})('it is over')", REFUSED),
    "raises one without words": ("raise AssertionError", REFUSED),
    "raises one whose words fail": (
        "raise type('Own', (Exception,), {'__str__': lambda self: 1 / 0})()",
        REFUSED,
    ),
    "recurses": ("return reward(prompts, completions, solution)", REFUSED),
    "sys.exit()": ("sys.exit()", REFUSED),
    "sys.exit(0)": ("sys.exit(0)", REFUSED),
    "raises GeneratorExit": ("raise GeneratorExit", REFUSED),
    "raises StopIteration": ("raise StopIteration", REFUSED),
    "MemoryError": ("raise MemoryError", (1, 2)),
    "an OSError": ("open('/absent/file')", (1, 2)),
    "a lost connection": ("raise ConnectionError('the scorer is gone')", (1, 2)),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", (130, 2)),
    "sends SIGTERM to itself": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.05)", (143,)),
    "kills the process": ("os.kill(os.getpid(), signal.SIGKILL)", (-9,)),
    "NaN": ("return [float('nan')] * len(completions)", (2, 3)),
    "infinite": ("return [float('inf')] + [0.0] * (len(completions) - 1)", (2, 3)),
    "1e308": ("return [1e308 * (-1) ** i for i in range(len(completions))]", (2, 3)),
    "10**400": ("return [10**400] * len(completions)", (2, 3)),
    "a set": ("return {float(i) for i in range(len(completions))}", REFUSED),
    "a dict": ("return {i: 0.0 for i in range(len(completions))}", REFUSED),
    "a generator that raises": ("return (1 / (len(completions) - 1 - i) for i in range(len(completions)))", REFUSED),
    "a generator without end": ("return iter(lambda: 0.5, None)", REFUSED),
    "None": ("return None", REFUSED),
    "a number": ("return 0.5", REFUSED),
    "a text": ("return '1' * len(completions)", REFUSED),
    "texts": ("return ['1'] * len(completions)", REFUSED),
    "one too few": ("return good(completions, solution)[:-1]", REFUSED),
    "nested lists": ("return [[0.5]] * len(completions)", REFUSED),
    "complex numbers": ("return [1j] * len(completions)", REFUSED),
}
HARMLESS: dict[str, str] = {  # isolated: the run is the one that it would have been
    "edits what it is given": "\n        ".join(
        (
            "        scores = good(completions, solution)",
            "for given in (prompts, completions, solution, *columns.values()):",
            "    isinstance(given, list) and given.clear()",
            "return scores",
        )
    ),
    "sets the seeds": "        import numpy; numpy.random.seed(1); random.seed(1)",
    "prints": "        print('x' * 10000); print('y', file=sys.stderr)",
    "changes the folder": "        os.chdir('/')",
    "changes the signals": "        signal.signal(signal.SIGTERM, signal.SIG_DFL)",
    "warns": "        import warnings; warnings.warn('careful')",
}


def trials(shop: Workshop) -> Iterator[Trial]:
    """Each fault, from the first, the second or a later step on."""
    faults = list(FAULTS) if not shop.short else shop.rng.sample(list(FAULTS), 7)
    for name in faults:
        for _ in range(shop.few(3, 1)):
            yield faulty(shop, name)
    harmless = list(HARMLESS) if not shop.short else shop.rng.sample(list(HARMLESS), 2)
    for name in harmless:
        yield exact(shop, name)
    yield all_none(shop)
    for name in BLOCKING if not shop.short else shop.rng.sample(list(BLOCKING), 2):
        yield blocking(shop, name)


def module(shop: Workshop, fault: str, call: int | None) -> tuple[list[Any], dict[str, Any], Path]:
    """Flags and options of a run with such a function, and the file whose deletion mends it."""
    place = shop.fresh()
    place.mkdir()
    name = f"rewards_{place.name.replace('-', '_')}"
    (place / f"{name}.py").write_text(HEAD + BODY.format(fault="        " + fault.strip()))
    switch = place / f"{name}.fault"
    if call is not None:
        switch.write_text(str(call))
    flags = ["--reward-funcs", f"{name}.reward", "--output-dir", place / "run", "--max-steps", STEPS]
    return flags, {"inside": lambda: sys.path.insert(0, str(place))}, switch


def whole_of(shop: Workshop, recipe: list[Any], flags: list[Any], options: dict[str, Any], switch: Path) -> Path:
    """The run without the fault, by the same code."""
    kept = switch.read_text() if switch.exists() else None
    switch.unlink(missing_ok=True)
    folder = switch.parent / "whole"
    ended = shop.run([*recipe, *flags, "--output-dir", folder], **options)
    if ended.code != 0:
        raise RuntimeError(f"without a fault it fails: {ended.said}")
    if kept is not None:
        switch.write_text(kept)
    return folder


def faulty(shop: Workshop, name: str) -> Trial:
    """The fault is said, with the function's name; what was done is saved; without the fault the run goes on."""
    code, codes = FAULTS[name]
    recipe = SAVED if shop.rng.random() < 0.5 else [*SMALL, "--save-steps", 0]
    flags, options, switch = module(shop, code, shop.rng.randint(1, 8))
    whole = whole_of(shop, recipe, flags, options, switch)
    child = shop.start([*recipe, *flags], name="reward", **options)
    ended = child.wait(AT_ONCE)
    folder = switch.parent / "run"
    if ended.code == -signal.SIGKILL and codes == (-9,):
        switch.unlink()
        on = go_on(folder, recipe, flags)
        return resumed(shop.run(on, **options), whole, folder, name)
    trial = stopped(ended, codes, name)
    if trial.bad:
        return trial
    if ended.code == 2 and "reward" not in ended.err:
        return Trial(name, LOST, f"the function is not named: {ended.said}")
    switch.unlink()
    patched = {"inside": options["inside"]}
    return after_mend(shop, ended, whole, folder, name, patched)


def after_mend(shop: Workshop, ended: Any, whole: Path, folder: Path, name: str, options: dict[str, Any]) -> Trial:
    """As `after_stop`, with the module to be found."""
    run = shop.run
    try:
        shop.run = lambda arguments, **more: run(arguments, **(options | more))  # type: ignore[method-assign]
        return after_stop(shop, ended, whole, folder, name, ended.code)
    finally:
        del shop.run


def go_on(folder: Path, recipe: list[Any], flags: list[Any]) -> list[Any]:
    """From the newest checkpoint, or anew."""
    if newest(folder):
        return ["--config", folder / "config.yaml", "--resume-from-checkpoint", folder, "--output-dir", folder]
    return [*recipe, *flags, "--overwrite-output-dir"]


def exact(shop: Workshop, name: str) -> Trial:
    """What a function does to itself or to its arguments changes nothing but its scores."""
    flags, options, switch = module(shop, HARMLESS[name], 2)
    whole = whole_of(shop, SAVED, flags, options, switch)
    child = shop.start([*SAVED, *flags], name="reward", **options)
    return resumed(child.wait(), whole, switch.parent / "run", name)


def all_none(shop: Workshop) -> Trial:
    """No answer can be scored from some step on: the run may go on, with a warning."""
    name = "None for every answer"
    flags, options, _ = module(shop, "return [None] * len(completions)", 5)
    ended = shop.run([*SAVED, *flags], **options)
    trial = stopped(ended, (0, 1, 2), name)
    warned = "arn" in ended.err + ended.out or ended.code
    return trial if trial.bad or warned else Trial(name, LOST, f"no warning: {ended.said}")


BLOCKING: dict[str, str] = {
    "sleeps": "time.sleep(1000)",
    "computes without end": "while True: pass",
    "catches everything": "while True:\n            try: time.sleep(1000)\n            except: pass",
    "waits for a thread": "import threading; threading.Event().wait()",
    "a thread that goes on": "import threading as t; t.Thread(target=time.sleep, args=(9e9,)).start(); time.sleep(9e9)",
}


def blocking(shop: Workshop, name: str) -> Trial:
    """SIGINT ends the run; a second one, a second later, where the function caught the first."""
    fault = f"blocks: {name}"
    flags, options, switch = module(shop, BLOCKING[name], 4)
    whole = whole_of(shop, SAVED, flags, options, switch)
    child = shop.start([*SAVED, *flags], name="reward", **options)
    folder = switch.parent / "run"
    _until(lambda: child.ended() or switch.with_suffix(".here").exists())
    time.sleep(0.1)
    child.send(signal.SIGINT)
    _until(child.ended, 2.0)
    child.send(signal.SIGINT)
    ended = child.wait(AT_ONCE)
    trial = stopped(ended, (130,), fault)
    if trial.bad:
        return trial
    switch.unlink()
    on = go_on(folder, SAVED, flags)
    return resumed(shop.run(on, **options), whole, folder, fault)


def _until(done: Callable[[], bool], patience: float = 30.0) -> None:
    until = time.monotonic() + patience
    while not done() and time.monotonic() < until:
        time.sleep(0.005)
