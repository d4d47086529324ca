"""The files of a run while it goes on: metrics.jsonl, a line a step, and completions at every evaluation."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grao_ref.training.loop import Report

METRICS = "metrics.jsonl"
Row = dict[str, Any]


class Log:
    """The files of one command: rows of all its runs in metrics.jsonl, flushed line by line."""

    def __init__(self, output_dir: Path, kept: list[Row]) -> None:
        self.folder, self.rows = output_dir, list(kept)
        self.file = (output_dir / METRICS).open("w", buffering=1)
        for row in kept:
            self.file.write(json.dumps(row) + "\n")

    def write(self, row: Row) -> None:
        """A line of metrics.jsonl. Raises `ValueError` on a metric that JSON can't hold: NaN or an infinity."""
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"the metric {name} of step {row['step']} is {value}; it must be finite")
        self.rows.append(row)
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
        """Close metrics.jsonl."""
        self.file.close()


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
