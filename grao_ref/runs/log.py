"""The files of a run while it goes on: metrics.jsonl, a line a step, and completions at every evaluation."""

import errno
import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from grao_ref.runs.folder import COMPLETIONS, METRICS, Output
from grao_ref.training.loop import Report

Row = dict[str, Any]


class Log:
    """The files of one command: rows of all its runs in metrics.jsonl, each there whole or not at all.

    Rows that come before `open` are kept in memory. A run that ends before its first step leaves its folder as it was.
    """

    def __init__(self, output: Output) -> None:
        self.output, self.rows = output, list(output.kept)
        self.unshown: dict[str, str] = {}  # files of completions that could not be written, by name: for a checkpoint
        self._written = 0  # rows that are in the file
        self._file: int | None = None
        self.trackers: list[Any] = []  # that are open

    @property
    def folder(self) -> Path:
        """The command's folder."""
        return self.output.folder

    def open(self, sources: dict[str, Any]) -> None:
        """Write the run's files, and the rows so far; does nothing where that is done."""
        if self._file is None:
            count = len(self.rows)
            self.output.open("".join(json.dumps(row) + "\n" for row in self.rows), sources)
            self._file, self._written = os.open(self.folder / METRICS, os.O_WRONLY | os.O_APPEND), count
            self._show_what_could_not_be()

    def _show_what_could_not_be(self) -> None:
        """Take over completions that a run which was stopped could put into its checkpoint alone."""
        checkpoint = self.output.config.resume_from_checkpoint
        for file in () if checkpoint is None else checkpoint.glob("completions_*.jsonl"):
            place = self.folder / COMPLETIONS / file.name
            if place not in self.output.superseded:
                place.parent.mkdir(exist_ok=True)
                shutil.copy(file, place)

    def begin(self, row: Row) -> None:
        """Keep a row to which something will be added: it is in memory, and in a checkpoint, until `write`."""
        if not (self.rows and self.rows[-1] is row):
            self.rows.append(row)

    def write(self, row: Row) -> None:
        """A line of metrics.jsonl, of a row that may have been begun.

        Raises `ValueError` on a metric that JSON can't hold: NaN or an infinity; `OSError` where it can't be written,
        or somebody has taken the file away.
        """
        for name, value in list(row.items()):
            if isinstance(value, float) and not math.isfinite(value):
                self.begin(row)
                del row[name]  # the row is kept without it
                raise ValueError(f"the metric {name} of step {row['step']} is {value}; it must be finite")
        self.begin(row)
        self._flush()

    def _flush(self) -> None:
        while self._file is not None and self._written < len(self.rows):
            line = json.dumps(self.rows[self._written], allow_nan=False) + "\n"
            _append(self.folder / METRICS, self._file, line.encode())
            self._written += 1

    def completions(self, report: Report, names: list[str], text: Callable[[list[int]], str]) -> list[Row]:
        """The samples of a step with their rewards and advantages, in completions/, with the columns of TRL's table."""
        rows = completion_rows(report, names, text)
        if rows:
            self.output.require_own()
            path = completions_file(self.folder, report.step)
            path.parent.mkdir(exist_ok=True)
            lines = "".join(json.dumps(row, ensure_ascii=False, default=plain) + "\n" for row in rows)
            unfinished = path.with_name(f".{path.name}.part")
            self.unshown[path.name] = lines
            # JSON writes half a character, which UTF-8 has not, as Python's backslashes do.
            unfinished.write_text(lines, encoding="utf-8", errors="backslashreplace")
            unfinished.replace(path)
            del self.unshown[path.name]
        return rows

    def close(self) -> None:
        """Close metrics.jsonl and open trackers; where no step was made, the folder becomes as it was."""
        for tracker in self.trackers:
            with suppress(Exception):  # the run has ended, by an error of its own or of the tracker's
                tracker.close()
        if self._file is not None:
            with suppress(OSError, ValueError):  # a row that was begun; a run that ended so has said why
                self._flush()
            os.close(self._file)
            self._file = None
        self.output.undo()


def completions_file(folder: Path, step: int) -> Path:
    """Where a run's samples of a step are written."""
    return folder / COMPLETIONS / f"completions_{step:05d}.jsonl"


def _append(path: Path, file: int, line: bytes) -> None:
    """Write a line, or nothing of it. Raises `OSError` with the path."""
    before = os.fstat(file)
    try:
        now = path.stat()
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            raise FileNotFoundError(errno.ENOENT, "it has been replaced by another file")
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(file, before.st_size)
        words = "it has been moved or deleted" if isinstance(error, FileNotFoundError) else error.strerror
        raise OSError(error.errno, words, str(path)) from None


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
