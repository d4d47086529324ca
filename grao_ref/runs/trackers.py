"""Places to look at curves while they grow, beside metrics.jsonl."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from grao_ref.settings.config import Config, settings_of


@runtime_checkable
class Tracker(Protocol):
    """A place to look at curves while they grow."""

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


TRACKERS: dict[str, Callable[[Config, Path, str | None], Tracker]] = {  # `report_to` -> how one is opened
    "tensorboard": lambda config, folder, run: TensorBoard(folder, run),
    "trackio": lambda config, folder, run: Trackio(
        " ".join(filter(None, (config.run_name or folder.name, run))), config
    ),
}


def tracker_of(config: Config, folder: Path, run: str | None = None) -> Tracker | None:
    """The one that `report_to` names. `run`: the name of one of several runs, each of which has its own curves."""
    return TRACKERS[config.report_to](config, folder, run) if config.report_to in TRACKERS else None
