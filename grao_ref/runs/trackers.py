"""Trackers, which show curves while a run goes on, beside metrics.jsonl.

register_tracker("mine", open_mine)             in Python; `Config(report_to="mine")` then reports to it
--report-to my_package.my_module.open_mine      on the command line and in a config file
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from grao_ref.plugins.importing import import_object
from grao_ref.plugins.near import hint
from grao_ref.settings.config import Config, settings_of


@runtime_checkable
class Tracker(Protocol):
    """Receives the metrics of every step."""

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
    """Hugging Face's local-first tracker; `trackio show` opens it."""

    def __init__(self, name: str, config: Config) -> None:
        import trackio

        self.run = trackio.init(project="grao_ref", name=name, config=settings_of(config))

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the metrics of one step."""
        self.run.log(row, step=step)

    def close(self) -> None:
        """Write what is not yet written."""
        self.run.finish()  # type: ignore[no-untyped-call]


Open = Callable[[Config, Path, str | None], Tracker]
"""What opens a tracker: the settings of a run, the command's folder, and the run's name where there are several."""

TRACKERS: dict[str, Open] = {  # `report_to` -> how one is opened
    "tensorboard": lambda config, folder, run: TensorBoard(folder, run),
    "trackio": lambda config, folder, run: Trackio(
        " ".join(filter(None, (config.run_name or folder.name, run))), config
    ),
}
PACKAGES = tuple(TRACKERS)  # these have the name of the package that they need


def register_tracker(name: str, opened: Open) -> None:
    """Make a tracker usable as `report_to` NAME. Raises `ValueError` on a name that is taken, or is none."""
    if not name.strip() or name == "none":
        raise ValueError(f"a tracker needs a name other than none, got {name!r}")
    if TRACKERS.setdefault(name, opened) is not opened:
        raise ValueError(f"there is another tracker {name!r} already")


def require_tracker(config: Config) -> None:
    """Raise `ValueError` where `report_to` names no tracker, or one that is not installed."""
    name = config.report_to
    if name in PACKAGES and importlib.util.find_spec(name) is None:
        raise ValueError(f"report_to {name} needs it installed: pip install 'grao_ref[track]'")
    if name != "none":
        _opener(name)


def tracker_of(config: Config, folder: Path, run: str | None = None) -> Tracker | None:
    """The one that `report_to` names. `run`: the name of one of several runs, each of which has its own curves."""
    return None if config.report_to == "none" else _opener(config.report_to)(config, folder, run)


def _opener(name: str) -> Open:
    if name in TRACKERS:
        return TRACKERS[name]
    if "." not in name:
        known = f"it has to be one of none, {', '.join(TRACKERS)}, or package.module.FUNCTION"
        raise ValueError(f"unknown tracker {name!r} in report_to; {hint(name, ['none', *TRACKERS], known)}")
    opened: Open = import_object(name, "tracker")
    if not callable(opened):
        raise ValueError(f"tracker {name!r} is a {type(opened).__name__}; name a function that opens one")
    TRACKERS[name] = opened
    return opened
