"""Trackers, which show curves while a run goes on, beside metrics.jsonl.

register_tracker("mine", open_mine)             in Python; `Config(report_to=("mine",))` then reports to it
--report-to my_package.my_module.open_mine      on the command line and in a config file
"""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from grao_ref.plugins.blame import blame
from grao_ref.plugins.importing import import_object
from grao_ref.plugins.near import hint
from grao_ref.settings.config import Config, settings_of


@runtime_checkable
class Tracker(Protocol):
    """Receives the metrics of a step: of every `logging_steps`-th, and of every evaluation."""

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the metrics of one step."""

    def close(self) -> None:
        """Write what is not yet written."""


class TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, folder: Path, run: str | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard" / (run or "")))

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the metrics of one step."""
        for name, value in row.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is not yet written."""
        self.writer.close()


class Trackio:
    """Hugging Face's local-first tracker; `trackio show` opens it. TRACKIO_PROJECT names another project."""

    def __init__(self, name: str, config: Config) -> None:
        import trackio

        project = os.environ.get("TRACKIO_PROJECT", "grao_ref")
        self.run = trackio.init(project=project, name=name, config=settings_of(config))

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the metrics of one step."""
        self.run.log(row, step=step)

    def close(self) -> None:
        """Write what is not yet written."""
        self.run.finish()  # type: ignore[no-untyped-call]


class WandB:
    """Weights & Biases, whose own environment variables count: WANDB_PROJECT, WANDB_MODE=offline, WANDB_API_KEY."""

    def __init__(self, name: str, config: Config, folder: Path) -> None:
        import wandb

        project = os.environ.get("WANDB_PROJECT", "grao_ref")
        self.run = wandb.init(project=project, name=name, config=settings_of(config), dir=folder, reinit="create_new")

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the metrics of one step."""
        self.run.log(row, step=step)

    def close(self) -> None:
        """Write what is not yet written."""
        self.run.finish()


class Told:
    """Trackers as one; what one of them raises is a `ValueError` that names it."""

    def __init__(self, trackers: dict[str, Tracker]) -> None:
        self.trackers = trackers

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the metrics of one step."""
        for name, tracker in self.trackers.items():
            with blame(f"report_to {name}: the tracker raised"):
                tracker.log(row, step)

    def close(self) -> None:
        """Write what is not yet written; each tracker is closed, whatever another one raises."""
        errors = []
        for name, tracker in self.trackers.items():
            try:
                with blame(f"report_to {name}: closing the tracker raised"):
                    tracker.close()
            except ValueError as error:
                errors.append(error)
        if errors:
            raise errors[0]


Open = Callable[[Config, Path, str | None], Tracker]
"""What opens a tracker: the settings of a run, the command's folder, and the run's name where there are several."""


def _called(config: Config, folder: Path, run: str | None) -> str:
    return " ".join(filter(None, (config.run_name or folder.name, run)))


TRACKERS: dict[str, Open] = {  # `report_to` -> how one is opened
    "tensorboard": lambda config, folder, run: TensorBoard(folder, run),
    "trackio": lambda config, folder, run: Trackio(_called(config, folder, run), config),
    "wandb": lambda config, folder, run: WandB(_called(config, folder, run), config, folder),
}
PACKAGES = tuple(TRACKERS)  # these have the name of the package that they need
WORDS = ("none", "all")  # in `report_to`, as in transformers: no tracker, and every one that is installed


def register_tracker(name: str, opened: Open) -> None:
    """Make a tracker usable as `report_to` NAME. Raises `ValueError` on a name that is taken, or is none."""
    if not name.strip() or name in WORDS:
        raise ValueError(f"a tracker needs a name other than {' and '.join(WORDS)}, got {name!r}")
    if TRACKERS.setdefault(name, opened) is not opened:
        raise ValueError(f"there is another tracker {name!r} already")


def trackers_named(config: Config) -> list[str]:
    """The names in `report_to`, each once; `all` are those that are installed.

    Raises `ValueError` on `none` or `all` beside other names.
    """
    names = list(dict.fromkeys(config.report_to))
    if names in ([], ["none"]):
        return []
    if names == ["all"]:
        return [name for name in PACKAGES if _installed(name)]
    if set(names) & set(WORDS):
        raise ValueError(f"report_to: {' and '.join(WORDS)} stand alone, got {', '.join(names)}")
    return names


def require_tracker(config: Config) -> None:
    """Raise `ValueError` where `report_to` names no tracker, or one that is not installed."""
    for name in trackers_named(config):
        if name in PACKAGES and not _installed(name):
            raise ValueError(f"report_to {name} needs it installed: pip install 'grao_ref[track]'")
        _opener(name)


def tracker_of(config: Config, folder: Path, run: str | None = None) -> Tracker | None:
    """Those that `report_to` names, as one. `run`: the name of one of several runs, each with its own curves.

    Raises `ValueError` on one that can't be opened: no login, no network, no space.
    """
    told = Told({})
    for name in trackers_named(config):
        try:
            with blame(f"report_to {name}: opening the tracker raised"):
                told.trackers[name] = _opener(name)(config, folder, run)
        except ValueError:
            told.close()
            raise
    return told if told.trackers else None


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _opener(name: str) -> Open:
    if name in TRACKERS:
        return TRACKERS[name]
    if "." not in name:
        known = f"it has to be one of none, all, {', '.join(TRACKERS)}, or package.module.FUNCTION"
        raise ValueError(f"unknown tracker {name!r} in report_to; {hint(name, [*WORDS, *TRACKERS], known)}")
    opened: Open = import_object(name, "tracker")
    if not callable(opened):
        raise ValueError(f"tracker {name!r} is a {type(opened).__name__}; name a function that opens one")
    TRACKERS[name] = opened
    return opened
