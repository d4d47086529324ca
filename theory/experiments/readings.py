"""What a table's log says: means over seeds with intervals, differences to the base method, agreement with the bandit.

Intervals are Student's, 95 %, over seeds. Differences are taken seed by seed: runs of one seed have the same held-out
prompts and the same order of training prompts.
"""

import json
from dataclasses import dataclass
from math import nan, sqrt
from statistics import mean, stdev, variance

import numpy as np
from scipy import stats

from theory.experiments.cells import Line, best_rates, made, measure
from theory.experiments.plan import HERE, Cell, Table

FLOOR = 0.05  # a cell where no method gains more tells nothing of methods


@dataclass(frozen=True)
class Interval:
    """A mean with half the width of its interval; NaN where there is one value."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if np.isnan(self.half) else f" ± {self.half:.3f}")

    @property
    def sure(self) -> int:
        """1 or -1 where all of it is on one side of 0, else 0."""
        return int(self.mean - self.half > 0) - int(self.mean + self.half < 0)


def interval(values: list[float]) -> Interval:
    """Student's, 95 %."""
    if len(values) < 2:
        return Interval(mean(values), nan)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return Interval(mean(values), half)


def welch(one: list[float], other: list[float]) -> Interval:
    """Difference of the means of independent samples, 95 %."""
    a, b = variance(one) / len(one), variance(other) / len(other)
    freedom = (a + b) ** 2 / (a**2 / (len(one) - 1) + b**2 / (len(other) - 1)) if a + b else 1.0
    return Interval(mean(one) - mean(other), float(stats.t.ppf(0.975, freedom)) * sqrt(a + b))


@dataclass(frozen=True)
class Read:
    """A method on a task: the measure, its last evaluation, what it has more than the base method."""

    cell: Cell
    whole: Interval
    end: Interval
    more: Interval
    base: Interval  # before the first step
    values: tuple[float, ...]  # the measure of each seed


def readings(table: Table, lines: list[Line]) -> dict[str, dict[str, Read]]:
    """By task and method: every cell whose runs are all there, where those of the base method are."""
    rates = best_rates(table, lines)
    found: dict[str, dict[str, Read]] = {}
    for task in table.tasks:
        runs = {}
        for method in table.entrants:
            cell = Cell(task, method, rates[task][method], *table.seeds)
            if len(here := made(lines, cell)) == cell.count:
                runs[method] = (cell, [here[seed] for seed in sorted(here)])
        if table.base not in runs:
            continue
        base = [measure(table, line) for line in runs[table.base][1]]
        for method, (cell, seeds) in runs.items():
            whole = [measure(table, line) for line in seeds]
            last, first = str(table.steps[-1]), "0"
            found.setdefault(task, {})[method] = Read(
                cell,
                interval(whole),
                interval([at(table, line, last) for line in seeds]),
                interval([one - other for one, other in zip(whole, base, strict=True)]),
                interval([at(table, line, first) for line in seeds]),
                tuple(whole),
            )
    return found


def leaders(methods: dict[str, Read]) -> list[str]:
    """The method with the largest measure, and those whose difference from it, seed by seed, may be 0; largest first.

    Empty where not even the largest is FLOOR above what the model had before.
    """
    ordered = sorted(methods, key=lambda name: -methods[name].whole.mean)
    best = methods[ordered[0]]
    if best.whole.mean - best.base.mean < FLOOR:
        return []
    behind = {
        name: interval([one - other for one, other in zip(best.values, methods[name].values, strict=True)])
        for name in ordered
    }
    return [name for name in ordered if not behind[name].sure > 0]


def at(table: Table, line: Line, step: str) -> float:
    """The measure of one evaluation; 0 where a run did not reach it."""
    value: float = line["curve"].get(step, {}).get(table.measure, 0.0)
    return value


def at_the_edge(table: Table, rates: dict[str, str]) -> list[str]:
    """Methods whose rate is the smallest or the largest that was tried: a better one may be beyond."""
    ends = (table.rates[0], table.rates[-1])
    return [method for method, rate in rates.items() if len(table.rates) > 1 and rate in ends]


def agreement(ours: dict[str, float], theirs: dict[str, float]) -> tuple[float, float]:
    """Spearman's rank correlation over the methods that both have, and its p-value by 10,000 permutations (two-sided).

    Methods that tie share a rank. Where all of one side tie there is none: NaN.
    """
    names = [name for name in ours if name in theirs]
    one, other = [ours[name] for name in names], [theirs[name] for name in names]
    if len(set(one)) < 2 or len(set(other)) < 2:
        return nan, nan
    rng = np.random.default_rng(0)
    ranks, others = stats.rankdata(one), stats.rankdata(other)
    rho = float(np.corrcoef(ranks, others)[0, 1])
    drawn = [abs(np.corrcoef(ranks, rng.permutation(others))[0, 1]) for _ in range(10_000)]
    return rho, float(np.mean([each >= abs(rho) - 1e-12 for each in drawn]))


def on_tables(optimizer: str) -> dict[str, float]:
    """What exp-race found on tables: each method's mean wait, all tables together, as the committed ledger has it."""
    rows = json.loads((HERE.parent / "ledger.json").read_text())
    numbers = next(row["numbers"] for row in rows if row["id"] == "exp-race")
    key = f", {optimizer}, all: mean wait; half at step, from, to; share that arrives, from, to"
    found = {name.removesuffix(key): said for name, said in numbers.items() if name.endswith(key)}
    return {name: float(said.split()[0].strip(",(")) for name, said in found.items()}
