"""Two runs and one folder: the second one is refused, and the first is as if it had been alone."""

import shutil
import signal
from collections.abc import Iterator
from typing import Any

from tests.faults.disk import held, wait_at
from tests.faults.kills import STEPS, fresh, go_on, half
from tests.faults.outcomes import MISSAID, WRONG, Trial, resumed, stopped
from tests.faults.workshop import RECIPES, Workshop, resume


def trials(shop: Workshop) -> Iterator[Trial]:
    """Every pair."""
    for _ in range(shop.few(6, 1)):
        for first in (False, True):
            for second in ("new", "overwriting", "resumed"):
                yield while_running(shop, first, second)
        yield side_by_side(shop, False)
        yield side_by_side(shop, True)
        yield numbered(shop)
        yield after_a_kill(shop)


def while_running(shop: Workshop, first_resumes: bool, second: str) -> Trial:
    """A second run begins while the first is in the middle of its steps."""
    fault = f"a {second} run beside a {'resumed' if first_resumes else 'new'} one"
    folder = shop.copy(half(shop)) if first_resumes else shop.fresh()
    gate = shop.fresh()
    step = 2 if first_resumes else shop.rng.randint(4, 6)
    child = shop.start(go_on(folder), name="first", inside=held(gate, step))
    wait_at(gate, child)
    arguments = {
        "new": [*RECIPES["grao"], "--max-steps", STEPS, "--output-dir", folder],
        "overwriting": fresh(folder),
        "resumed": resume(folder, "--max-steps", STEPS),
    }[second]
    other = shop.run(arguments)
    gate.touch()
    trial = resumed(child.wait(), shop.whole("grao", STEPS), folder, fault)
    if trial.bad:
        return Trial(fault, trial.seen, f"the first: {trial.details}; the second ended with {other.code}: {other.said}")
    trial = stopped(other, (2,), fault)
    if not trial.bad:
        shop.drop(folder)
    return trial


def side_by_side(shop: Workshop, resumes: bool) -> Trial:
    """Two begin at the same moment: one wins."""
    fault = "two resumed runs at once" if resumes else "two new runs at once"
    folder = shop.copy(half(shop)) if resumes else shop.fresh()
    arguments: list[Any] = (
        go_on(folder) if resumes else [*RECIPES["grao"], "--max-steps", STEPS, "--output-dir", folder]
    )
    children = [shop.start(arguments, name=name) for name in ("first", "second")]
    ended = sorted((child.wait() for child in children), key=lambda each: each.code or 0)
    trial = stopped(ended[1], (2,), fault)
    if trial.bad:
        return trial
    return resumed(ended[0], shop.whole("grao", STEPS), folder, fault)


def numbered(shop: Workshop) -> Trial:
    """Two runs without an output_dir: each has a number of its own."""
    fault, place = "two default folders at once", shop.fresh()
    place.mkdir()
    for name in ("rows.jsonl", "held-out.jsonl"):
        shutil.copy(shop.folder / name, place / name)
    arguments = [*RECIPES["grao"], "--max-steps", STEPS]
    children = [shop.start(arguments, name=name, cwd=place) for name in ("first", "second")]
    ended = [child.wait() for child in children]
    made = sorted(path.name for path in (place / "runs").iterdir())
    if made != ["1", "2"]:
        return Trial(fault, WRONG, f"folders {made}, exit codes {[each.code for each in ended]}")
    for each, name in zip(ended, made, strict=True):
        trial = resumed(each, shop.whole("grao", STEPS), place / "runs" / name, fault)
        if trial.bad:
            return trial
    shop.drop(place)
    return trial


def after_a_kill(shop: Workshop) -> Trial:
    """Whoever is dead holds no lock."""
    fault, folder = "a killed run's folder", shop.fresh()
    child = shop.start(fresh(folder))
    child.wait_for("update", shop.rng.randint(3, 6))
    child.send(signal.SIGKILL)
    child.wait()
    ended = shop.run(go_on(folder))
    trial = resumed(ended, shop.whole("grao", STEPS), folder, fault)
    held_still = ended.code == 2 and "use" in ended.err
    return Trial(fault, MISSAID, ended.said) if held_still else trial
