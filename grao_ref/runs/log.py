"""The files of a run while it goes on: metrics.jsonl, a line a step, and completions at every evaluation."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from grao_ref.runs.folder import METRICS, Output
from grao_ref.training.loop import Report

Row = dict[str, Any]


class Log:
    """The files of one command: rows of all its runs in metrics.jsonl, flushed line by line.

    Rows that come before `open` are kept in memory. A run that ends before its first step leaves its folder as it was.
    """

    def __init__(self, output: Output) -> None:
        self.output, self.rows = output, list(output.kept)
        self.file: TextIO | None = None
        self.trackers: list[Any] = []  # that are open

    @property
    def folder(self) -> Path:
        """The command's folder."""
        return self.output.folder

    def open(self, sources: dict[str, Any]) -> None:
        """Write the run's files, and the rows so far; does nothing where that is done."""
        if self.file is None:
            self.output.open("".join(json.dumps(row) + "\n" for row in self.rows), sources)
            self.file = (self.folder / METRICS).open("a", buffering=1)

    def write(self, row: Row) -> None:
        """A line of metrics.jsonl. Raises `ValueError` on a metric that JSON can't hold: NaN or an infinity."""
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"the metric {name} of step {row['step']} is {value}; it must be finite")
        self.rows.append(row)
        if self.file is not None:
            self.file.write(json.dumps(row, allow_nan=False) + "\n")

    def completions(self, report: Report, names: list[str], text: Callable[[list[int]], str]) -> list[Row]:
        """The samples of a step with their rewards and advantages, in completions/, with the columns of TRL's table."""
        rows = completion_rows(report, names, text)
        if rows:
            folder = self.folder / "completions"
            folder.mkdir(exist_ok=True)
            lines = "".join(json.dumps(row, ensure_ascii=False, default=plain) + "\n" for row in rows)
            (folder / f"completions_{report.step:05d}.jsonl").write_text(lines)
        return rows

    def close(self) -> None:
        """Close metrics.jsonl and open trackers; where no step was made, the folder becomes as it was."""
        for tracker in self.trackers:
            with suppress(Exception):  # the run has ended, by an error of its own or of the tracker's
                tracker.close()
        if self.file is not None:
            self.file.close()
        self.output.undo()


class Unwritten(Log):
    """The log of a process that writes nothing, since another one does: rows are kept in memory alone."""

    def open(self, sources: dict[str, Any]) -> None:
        """Nothing is written; the other process has made the run's files."""
        self.output.opened = True

    def completions(self, report: Report, names: list[str], text: Callable[[list[int]], str]) -> list[Row]:
        """None."""
        return []


def plain(value: Any) -> Any:
    """What a reward function wrote into a column of its own (`log_extra`) as JSON can hold it: numbers, lists, text."""
    return value.tolist() if callable(getattr(value, "tolist", None)) else str(value)


def completion_rows(report: Report, names: list[str], text: Callable[[list[int]], str]) -> list[Row]:
    """One row for each sample of a step; None where a reward function could not score it."""
    samples, rewards, advantages = report.batch.samples, report.batch.rewards, report.batch.advantages
    if samples is None or rewards is None or advantages is None or rewards.parts is None:
        return []
    rows, prompts = [], report.batch.prompts
    for n in range(len(report.batch)):
        prompt = text(prompts.ids[n][prompts.mask[n]].tolist())
        for g in range(samples.ids.shape[1]):
            answer = samples.ids[n, g][samples.mask[n, g]]
            scored = zip(rewards.parts.values[n, g].tolist(), rewards.parts.scored[n, g].tolist(), strict=True)
            scores = [value if could else None for value, could in scored]
            rows.append(
                {"step": report.step, "prompt": prompt, "completion": text(answer.tolist())}
                | dict(zip(names, scores, strict=True))
                | {"advantage": advantages.outputs[n, g].item()}
                | {name: values[n][g] for name, values in report.columns.items()}
            )
    return rows
