"""Run the cells of a table that its log does not have yet. Of a run only evaluations are kept, as lines of text."""

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from math import inf
from os import environ
from pathlib import Path
from statistics import mean
from typing import Any

from theory.experiments.plan import HERE, Cell, Table, python

NOT_FINITE = 3  # the trainer's exit code where a loss is not finite: the run ends there
LOGS = HERE / "logs"
Line = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where runs are made, and where the log is."""

    home: Path
    log: Path


def log_of(table: Table, folder: Path = LOGS) -> Path:
    """The table's log: a line for each run."""
    return folder / f"{table.name}.jsonl"


def read(path: Path) -> list[Line]:
    """The runs that were made."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def made(lines: Iterable[Line], cell: Cell) -> dict[int, Line]:
    """The runs of a cell, by seed."""
    return {
        line["seed"]: line
        for line in lines
        if (line["task"], line["method"], line["rate"]) == (cell.task, cell.method, cell.rate)
        and cell.seed <= line["seed"] < cell.seed + cell.count
    }


def measure(table: Table, line: Line) -> float:
    """Mean over the evaluations; one that a run did not reach counts 0."""
    value: float = mean(line["curve"].get(str(step), {}).get(table.measure, 0.0) for step in table.steps)
    return value


def best_rates(table: Table, lines: list[Line]) -> dict[str, dict[str, str]]:
    """By task, each method's rate: the best by the mean over the tasks and seeds that tune it.

    Raises `ValueError` where such a run is missing.
    """
    if len(table.rates) == 1:
        return {task: dict.fromkeys(table.entrants, table.rates[0]) for task in table.tasks}
    scores: dict[tuple[str, str, str], list[float]] = {}
    for cell in table.to_tune:
        found = made(lines, cell)
        if len(found) < cell.count:
            raise ValueError(f"not tuned yet: {cell}")
        for source in (cell.task, ""):
            values = scores.setdefault((source, cell.method, cell.rate), [])
            values.extend(measure(table, line) for line in found.values())
    means = {key: mean(values) for key, values in scores.items()}
    return {
        name: {
            method: max((means[task.tuned_on, method, rate], -at, rate) for at, rate in enumerate(table.rates))[2]
            for method in table.entrants
        }
        for name, task in table.tasks.items()
    }


def fill(table: Table, cells: list[Cell], place: Place, processes: int) -> Iterator[Cell]:
    """Make what is missing, `processes` at once; yields each cell when its runs are in the log."""
    lines = read(place.log)
    missing = [cell for cell in cells if len(made(lines, cell)) < cell.count]
    for _ in prepare(table, missing, place.home):
        pass
    with ThreadPoolExecutor(processes) as pool:
        running = {pool.submit(runs_of, table, cell, place.home): cell for cell in missing}
        for job in as_completed(running):
            append(place.log, job.result())
            yield running[job]


def append(log: Path, lines: Iterable[Line]) -> None:
    """Lines at the end of a log."""
    with log.open("a") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def prepare(table: Table, cells: list[Cell], home: Path, until: float = inf) -> Iterator[str]:
    """Make the files that these cells read; yields each command when it is done. `until`: see `runs_of`."""
    needed = dict.fromkeys(words for cell in cells for words in table.task_of(cell).makes)
    for words in (*table.makes, *needed) if cells else ():
        _make(words, home, table, until)
        yield words


def runs_of(table: Table, cell: Cell, home: Path, until: float = inf) -> list[Line]:
    """Train a cell: a line for each seed.

    Raises `RuntimeError` with what the trainer said where it fails, and `subprocess.TimeoutExpired` where a process
    still runs at `until`, on the clock of `time.monotonic`: the process is ended.
    """
    lines: list[Line] = []
    folder = home / cell.folder
    shutil.rmtree(folder, ignore_errors=True)
    if first := table.first(cell, str(home), str(folder)):
        _run(python(first), f"the SFT run before {cell}", environment(table, home), until)
    while len(lines) < cell.count:
        rest = table.rest(cell, len(lines))
        began = time.monotonic()
        command, around = python(table.command(rest, str(home), str(folder))), environment(table, home)
        code = _run(command, str(rest), around, until, allowed=(0, NOT_FINITE))
        found = curves(folder / "run" / "metrics.jsonl")
        steps = training(folder / "run" / "metrics.jsonl", table.trained)
        seconds = (time.monotonic() - began) / len(found)
        about: Line = {"task": cell.task, "method": cell.method, "rate": cell.rate}
        if code == 0 and len(found) < rest.count:
            raise RuntimeError(f"{rest}: {len(found)} runs of {rest.count}")
        if code == 0 and (evaluated := table.evaluated(str(folder))):
            _run(python(evaluated), f"the evaluation of {rest}", around, until)
            about["evaluation"] = json.loads((folder / "evaluation" / "evaluation.json").read_text())
            shutil.rmtree(folder / "evaluation")
        about["seconds"] = round(seconds, 1)
        lines += [about | {"seed": seed, "curve": found[seed]} | steps.get(seed, {}) for seed in found]
        shutil.rmtree(folder / "run")
    shutil.rmtree(folder)
    return lines


def curves(path: Path) -> dict[int, dict[str, dict[str, float]]]:
    """By seed and step: what was evaluated."""
    found: dict[int, dict[str, dict[str, float]]] = {}
    for text in path.read_text().splitlines():
        row = json.loads(text)
        kept = {name: round(value, 5) for name, value in row.items() if name.startswith("eval_")}
        if kept:
            found.setdefault(row["seed"], {})[str(row["step"])] = kept
    return found


def training(path: Path, names: tuple[str, ...]) -> dict[int, dict[str, dict[str, list[float | None]]]]:
    """By seed: {"trained": values of each name by training step}; None where a step does not have it."""
    found: dict[int, dict[str, dict[str, list[float | None]]]] = {}
    for row in map(json.loads, path.read_text().splitlines() if names else ()):
        if "step_time" in row:
            here = found.setdefault(row["seed"], {"trained": {name: [] for name in names}})["trained"]
            for name in names:
                here[name].append(None if row.get(name) is None else round(row[name], 4))
    return found


def environment(table: Table, home: Path) -> dict[str, str]:
    """Variables of a cell's processes: one thread unless it is set here, and what the table adds."""
    added = {name: value.format(home=home) for name, value in table.environment}
    return {"OMP_NUM_THREADS": "1"} | environ | added


def _make(words: str, home: Path, table: Table, until: float) -> None:
    """A command that writes {home}/..., unless a file says that it was run; its last word names what it writes.

    {data}: the folder that the variable GRAO_TEST_DATA names.
    """
    home.mkdir(parents=True, exist_ok=True)
    asked = shlex.split(words.format(home=home, data=environ.get("GRAO_TEST_DATA", "")))
    done = home / (Path(asked[-1]).name + ".made")
    if done.exists() and done.read_text() == shlex.join(asked):
        return
    _run(python(asked[1:]), words, environment(table, home), until)
    done.write_text(shlex.join(asked))


def _run(command: list[str], what: str, around: dict[str, str], until: float, allowed: tuple[int, ...] = (0,)) -> int:
    limit = None if until == inf else max(until - time.monotonic(), 0.0)
    told = subprocess.run(command, env=around, capture_output=True, text=True, timeout=limit)
    if told.returncode not in allowed:
        raise RuntimeError(f"{what}: exit code {told.returncode}: {told.stderr[-800:]}")
    return told.returncode
