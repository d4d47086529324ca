"""Disks that are full, folders that can't be written, that go or change in mid-run, and writes that fail."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.kills import STEPS, fresh, go_on, half, trap
from tests.faults.outcomes import LOST, MISSAID, SKIPPED, Trial, newest, resumed, steps, stopped
from tests.faults.workshop import Workshop, mounted, resume, unmounted

SIZES_KIB = (40, 200, 900, 1500, 2600, 3300, 5000, 6000)


def trials(shop: Workshop) -> Iterator[Trial]:
    """Everything that a disk may do."""
    sizes = SIZES_KIB if not shop.short else (200, 3300)
    for size in sizes:
        yield full(shop, size)
    yield from read_only(shop)
    for name, change in CHANGES.items():
        for _ in range(shop.few(4, 1)):
            yield changed(shop, name, change)
    for _ in range(shop.few(60, 4)):
        yield failing(shop, shop.rng.randint(1, 60), always=shop.rng.random() < 0.5, new=shop.rng.random() < 0.5)
    for name, path in impossible(shop).items():
        trial = stopped(shop.run([*fresh(path)]), (1, 2), f"output_dir {name}")
        yield trial


def full(shop: Workshop, kib: int) -> Trial:
    """A disk of this size; then it has more room, and the run goes on."""
    fault, disk = "disk full", shop.fresh()
    disk.mkdir()
    if why := mounted("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", disk):
        return Trial(fault, SKIPPED, why)
    try:
        folder = disk / "run"
        ended = shop.run(fresh(folder))
        if ended.code == 0:
            return resumed(ended, shop.whole("grao", STEPS), folder, fault)
        trial = stopped(ended, (1, 2), fault)
        if trial.bad:
            return Trial(fault, trial.seen, f"{kib} KiB: {trial.details}")
        before = newest(folder)
        mounted("-o", "remount,size=64m", disk)
        trial = resumed(shop.run(go_on(folder)), shop.whole("grao", STEPS), folder, fault)
        return Trial(fault, trial.seen, f"{kib} KiB, checkpoint-{before}: {trial.details}")
    finally:
        unmounted(disk)


def read_only(shop: Workshop) -> Iterator[Trial]:
    """A folder on a read-only disk, for a new run and for one that goes on."""
    for fault, made in (("read-only, new run", None), ("read-only, resumed run", half(shop))):
        folder = shop.fresh() if made is None else shop.copy(made)
        folder.mkdir(exist_ok=True)
        why = mounted("--bind", folder, folder) or mounted("-o", "remount,ro,bind", folder)
        try:
            if why:
                yield Trial(fault, SKIPPED, why)
            else:
                before = sorted(folder.rglob("*"))
                arguments = fresh(folder / "new") if made is None else resume(folder, "--max-steps", STEPS)
                trial = stopped(shop.run(arguments), (1, 2), fault)
                changed = before != sorted(folder.rglob("*"))
                yield Trial(fault, LOST, "the folder has changed") if changed else trial
        finally:
            unmounted(folder)


def _delete(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _rename(folder: Path) -> Path:
    return folder.rename(folder.with_name(folder.name + "-renamed"))


def _delete_metrics(folder: Path) -> Path:
    (folder / "metrics.jsonl").unlink()
    return folder


def _delete_checkpoints(folder: Path) -> Path:
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)
    return folder


CHANGES: dict[str, Callable[[Path], Path]] = {
    "folder deleted in mid-run": _delete,
    "folder renamed in mid-run": _rename,
    "metrics.jsonl deleted in mid-run": _delete_metrics,
    "checkpoints deleted in mid-run": _delete_checkpoints,
}


def held(gate: Path, visit: int) -> Callable[[], None]:
    """For the child: wait before the `visit`-th step until there is a file; `gate`.here says that it waits."""

    def hold() -> None:
        from grao_ref.training import loop

        collect, count = loop.collect, 0

        def waiting(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == visit:
                gate.with_suffix(".here").touch()
                while not gate.exists():
                    time.sleep(0.002)
            return collect(*args, **kwargs)

        loop.collect = waiting

    return hold


def wait_at(gate: Path, child: object) -> None:
    """Until the child waits there, or has ended."""
    while not gate.with_suffix(".here").exists() and not child.ended():  # type: ignore[attr-defined]
        time.sleep(0.002)


def changed(shop: Workshop, fault: str, change: Callable[[Path], Path]) -> Trial:
    """Between two steps. Said at once, or made good; never an end with 0 and something missing."""
    folder, gate = shop.fresh(), shop.fresh()
    child = shop.start(fresh(folder), inside=held(gate, shop.rng.randint(3, 6)))
    wait_at(gate, child)
    now = change(folder)
    gate.touch()
    ended = child.wait()
    whole = shop.whole("grao", STEPS)
    if ended.code == 0:
        return resumed(ended, whole, now, fault)
    trial = stopped(ended, (1, 2), fault)
    if trial.bad or change is not _rename:
        return trial
    if now.exists() and folder.exists() and steps(folder):
        return Trial(fault, MISSAID, f"two folders hold the run: {ended.said}")
    return resumed(shop.run(go_on(now)), whole, now, fault)


def failing(shop: Workshop, number: int, *, always: bool, new: bool) -> Trial:
    """The n-th operation in the folder fails as on a full disk, alone or with all after it; then the run goes on."""
    fault = "writes fail from the n-th on" if always else "the n-th write fails"
    folder = shop.fresh() if new else shop.copy(half(shop))
    child = shop.start(go_on(folder), inside=_failing(folder, number, always))
    ended = child.wait()
    whole = shop.whole("grao", STEPS)
    if ended.code == 0:
        return resumed(ended, whole, folder, fault)
    trial = stopped(ended, (1, 2), fault)
    if trial.bad:
        return Trial(fault, trial.seen, f"n = {number}: {trial.details}")
    trial = resumed(shop.run(go_on(folder)), whole, folder, fault)
    if not trial.bad:
        shop.drop(folder)
    return trial


def _failing(folder: Path, number: int, always: bool) -> Callable[[], None]:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    if not always:
        return trap(folder, number, full)
    return lambda: [trap(folder, each, full)() for each in range(number, number + 40)]


def impossible(shop: Workshop) -> dict[str, Path]:
    """Paths at which no folder can be made."""
    file = shop.fresh()
    file.write_text("x")
    return {
        "a file": file,
        "below a file": file / "run",
        "a name that is too long": shop.folder / ("n" * 300),
        "/proc": Path("/proc/run"),
        "/dev/null": Path("/dev/null"),
    }
