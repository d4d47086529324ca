"""What a table of runs is made of, read from its file: tasks, methods, rates and seeds, and the command of each cell.

A cell is one method on one task at one learning rate, with some seeds in turn. Rates are tuned on tasks and seeds that
no cell is judged on.
"""

import shlex
import sys
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRAIN = ("-m", "grao_ref.train")


@dataclass(frozen=True)
class Task:
    """What is trained on: flags of the trainer, and where it stands in a map."""

    name: str
    flags: str
    makes: tuple[str, ...] = ()  # commands that write its files
    place: tuple[str, ...] = ()
    tuned_on: str = ""  # the one task whose rates it takes; empty: the mean over all that tune


@dataclass(frozen=True)
class Entrant:
    """A method: flags of the trainer, and of an SFT run on the same task that comes first, if there is one."""

    name: str
    flags: str
    first: str | None = None


@dataclass(frozen=True)
class Cell:
    """A method on a task, at a rate. The seeds are `count` from `seed` on."""

    task: str
    method: str
    rate: str
    seed: int
    count: int

    def __str__(self) -> str:
        return f"{self.task} | {self.method} | rate {self.rate} | seeds {self.seed} to {self.seed + self.count - 1}"

    @property
    def folder(self) -> str:
        """A name for its folder."""
        kept = "".join(letter if letter.isalnum() else "-" for letter in f"{self.task} {self.method} {self.rate}")
        return f"{kept} {self.seed}".replace(" ", "-")


@dataclass(frozen=True)
class Table:
    """One file of this folder."""

    name: str
    title: str
    question: str
    measure: str  # a name in metrics.jsonl
    steps: tuple[int, ...]  # the evaluations whose mean a run is judged by
    rates: tuple[str, ...]
    tuning_seeds: tuple[int, int]  # the first, and how many
    seeds: tuple[int, int]
    flags: str
    base: str  # the method that others are compared with
    tuning: dict[str, Task]
    tasks: dict[str, Task]
    entrants: dict[str, Entrant]
    makes: tuple[str, ...]  # commands that come before everything
    evaluation: str | None = None  # flags of grao_ref.evaluate on each trained model; a run is one seed then
    environment: tuple[tuple[str, str], ...] = ()
    trained: tuple[str, ...] = ()  # names in metrics.jsonl that the log keeps of every training step

    @cached_property
    def to_tune(self) -> list[Cell]:
        """Every method at every rate on the tasks that tune. With one rate there is nothing to tune."""
        if len(self.rates) == 1:
            return []
        return [
            Cell(task, method, rate, *self.tuning_seeds)
            for task in self.tuning
            for method in self.entrants
            for rate in self.rates
        ]

    def to_judge(self, rates: dict[str, dict[str, str]]) -> list[Cell]:
        """Every method at its rate, by task, on every task. Where each run is evaluated: one seed after the other."""
        whole = [Cell(task, name, rates[task][name], *self.seeds) for task in self.tasks for name in self.entrants]
        if self.evaluation is None:
            return whole
        first, count = self.seeds
        return [replace(cell, seed=seed, count=1) for seed in range(first, first + count) for cell in whole]

    def task_of(self, cell: Cell) -> Task:
        """Its task, judged or tuning."""
        return (self.tasks | self.tuning)[cell.task]

    def command(self, cell: Cell, home: str, folder: str) -> list[str]:
        """The trainer's command for a cell. home: where what is made stands; folder: the run's own."""
        task, method = self.task_of(cell), self.entrants[cell.method]
        flags = _flags(f"{self.flags} {task.flags} {method.flags}", home)
        if method.first:
            flags["--model-name-or-path"] = [f"{folder}/first/model"]
        flags |= {"--learning-rate": [cell.rate], "--seed": [str(cell.seed)], "--num-seeds": [str(cell.count)]}
        return _words(flags | {"--output-dir": [f"{folder}/run"]})

    def first(self, cell: Cell, home: str, folder: str) -> list[str] | None:
        """The command of the SFT run before it. Its one model is what all seeds of the cell begin with."""
        task, method = self.task_of(cell), self.entrants[cell.method]
        if method.first is None:
            return None
        flags = _flags(f"{self.flags} {task.flags} {method.first}", home)
        return _words(flags | {"--output-dir": [f"{folder}/first"]})

    def rest(self, cell: Cell, done: int) -> Cell:
        """What one command makes of a cell without its first seeds: all others, or one where each is evaluated."""
        return replace(cell, seed=cell.seed + done, count=1 if self.evaluation else cell.count - done)

    def evaluated(self, folder: str) -> list[str] | None:
        """The command that evaluates a run."""
        if self.evaluation is None:
            return None
        words = ["-m", "grao_ref.evaluate", f"{folder}/run", *shlex.split(self.evaluation)]
        return [*words, "--output-dir", f"{folder}/evaluation"]

    def shown(self, cell: Cell) -> str:
        """What one types, from the project's root, with everything in `runs`."""
        folder, one = f"runs/{cell.folder}", self.rest(cell, 0)
        words = [self.first(cell, "runs", folder), self.command(one, "runs", folder), self.evaluated(folder)]
        before = "".join(f"{name}={value} ".format(home="runs") for name, value in self.environment)
        return " && ".join(before + shlex.join(["python", *each]) for each in words if each)


def table_of(name: str, folder: Path = HERE) -> Table:
    """A table by its name: what its file says. Raises `ValueError` on a name without a file."""
    path = folder / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.toml")))
        raise ValueError(f"there is no table {name}; there are {known}")
    said: dict[str, Any] = tomllib.loads(path.read_text())
    methods = {
        name: Entrant(name, words) if isinstance(words, str) else Entrant(name, **words)
        for name, words in said["methods"].items()
    }
    return Table(
        name=name,
        title=said["title"],
        question=said["question"],
        measure=said["measure"],
        steps=tuple(said["steps"]),
        rates=tuple(said["rates"]),
        tuning_seeds=tuple(said.get("tuning_seeds", (0, 0))),
        seeds=tuple(said["seeds"]),
        flags=said["flags"],
        base=said["base"],
        tuning=_tasks(said.get("tuning", {})),
        tasks=_tasks(said["tasks"]),
        entrants=methods,
        makes=tuple(said.get("makes", ())),
        evaluation=said.get("evaluation"),
        environment=tuple(said.get("environment", {}).items()),
        trained=tuple(said.get("trained", ())),
    )


def _flags(words: str, home: str) -> dict[str, list[str]]:
    """Flags with their values. One that comes again replaces the earlier one.

    >>> _flags("--a 1 --b 2 3 --c --a {home}/4", "runs")
    {'--a': ['runs/4'], '--b': ['2', '3'], '--c': []}
    """
    flags: dict[str, list[str]] = {}
    for word in shlex.split(words):
        if word.startswith("--"):
            last = flags[word] = []
        else:
            last.append(word.replace("{home}", home))
    return flags


def _words(flags: dict[str, list[str]]) -> list[str]:
    return [*TRAIN, *(word for name, values in flags.items() for word in (name, *values))]


def python(words: list[str] | tuple[str, ...]) -> list[str]:
    """A command with this Python."""
    return [sys.executable, *words]


def _tasks(said: dict[str, Any]) -> dict[str, Task]:
    return {
        name: Task(
            name,
            about["flags"],
            tuple(about.get("makes", ())),
            tuple(about.get("place", ())),
            about.get("tuned_on", ""),
        )
        for name, about in said.items()
    }
