"""Where a run's figures go: metrics.jsonl always, completions at every evaluation, a tracker on request."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from grao_ref.checkpoint import settings_of
from grao_ref.config import Config
from grao_ref.experiment import name_of
from grao_ref.loop import Report

METRICS = "metrics.jsonl"
SINKING = 2.0  # nats per token that the references may lose before a run is warned of thm-4

Row = dict[str, Any]


@runtime_checkable
class Tracker(Protocol):
    """A place to look at curves while they grow."""

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the figures of one step."""

    def close(self) -> None:
        """Write what is not yet written."""


class TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, folder: Path, run: str | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard" / (run or "")))

    def log(self, row: dict[str, float], step: int) -> None:
        """Take the figures of one step."""
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
        """Take the figures of one step."""
        self.run.log(row, step=step)

    def close(self) -> None:
        """Write what is not yet written."""
        self.run.finish()  # type: ignore[no-untyped-call]


def tracker_of(config: Config, folder: Path) -> Tracker | None:
    """The one that `report_to` names; each of several runs has its own curves there."""
    run = f"{name_of(config)}, seed {config.seed}" if config.compare or config.num_seeds > 1 else None
    if config.report_to == "tensorboard":
        return TensorBoard(folder, run)
    name = " ".join(filter(None, (config.run_name or folder.name, run)))
    return Trackio(name, config) if config.report_to == "trackio" else None


def require_tracker(config: Config) -> None:
    """Raise `ValueError` where `report_to` names a tracker that is not installed."""
    if config.report_to != "none" and importlib.util.find_spec(config.report_to) is None:
        raise ValueError(f"report_to {config.report_to} needs it installed: pip install 'grao_ref[track]'")


class Log:
    """The files of one command: rows of all its runs in metrics.jsonl, flushed line by line."""

    def __init__(self, output_dir: Path, kept: list[Row]) -> None:
        self.folder, self.rows = output_dir, list(kept)
        self.file = (output_dir / METRICS).open("w", buffering=1)
        for row in kept:
            self.file.write(json.dumps(row) + "\n")

    def write(self, row: Row) -> None:
        """A line of metrics.jsonl."""
        self.rows.append(row)
        self.file.write(json.dumps(row, allow_nan=False) + "\n")

    def completions(self, report: Report, names: list[str], text: Callable[[list[int]], str]) -> list[Row]:
        """The samples of a step with their rewards and advantages, as TRL's table has them, in completions/."""
        rows = completion_rows(report, names, text)
        if rows:
            folder = self.folder / "completions"
            folder.mkdir(exist_ok=True)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"completions_{report.step:05d}.jsonl").write_text(lines)
        return rows

    def close(self) -> None:
        """Nothing more will come."""
        self.file.close()


def completion_rows(report: Report, names: list[str], text: Callable[[list[int]], str]) -> list[Row]:
    """One row for each sample of a step; None where a reward function could not score it."""
    batch = report.batch
    if batch.samples is None or batch.rewards is None or batch.advantages is None or batch.rewards.parts is None:
        return []
    rows, said = [], batch.samples.said
    for n in range(len(batch)):
        prompt = text(batch.prompts.ids[n][batch.prompts.mask[n]].tolist())
        for g in range(batch.samples.ids.shape[1]):
            answer = batch.samples.ids[n, g][said[n, g]]
            scores = [None if score != score else score for score in batch.rewards.parts[n, g].tolist()]
            rows.append(
                {"step": report.step, "prompt": prompt, "completion": text(answer.tolist())}
                | dict(zip(names, scores, strict=True))
                | {"advantage": batch.advantages.outputs[n, g].item()}
            )
    return rows


class Alarm:
    """Says once that the references sink: their log-likelihood has lost more than `SINKING` nats per token."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.raised = False

    def hear(self, loglik: float, config: Config) -> str | None:
        """The warning, the first time that it is due."""
        self.first = loglik if self.first is None else self.first
        if self.raised or config.method != "grao" or self.first - loglik <= SINKING:
            return None
        self.raised = True
        cure = (
            "it is already the repaired objective, so look at the learning rate"
            if config.imitate_only_when_ahead
            else "--imitate-only-when-ahead leaves a beaten reference alone"
        )
        return (
            f"warning: the references' log-likelihood has sunk from {self.first:.2f} to {loglik:.2f} nats per token, "
            f"by more than {SINKING} (thm-4): {cure}"
        )
