"""Numbers of the page *Comparing methods fairly*, from the committed runs of theory/experiments/logs/sorting.jsonl.

A run is judged by the mean of its four evaluations, as the table's file says; a method has five seeds.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from statistics import mean

import numpy as np

from theory.contest import CONTESTANTS
from theory.experiments.cells import (
    Line,
    best_rates,
    log_of,
    made,
    measure,
    read,
)
from theory.experiments.plan import Cell, table_of
from theory.experiments.readings import Interval, interval, welch
from tutorials import seeds
from tutorials.seeds import Array

TABLE = table_of("sorting")
BASE, SEEDS, GROUP = TABLE.base, TABLE.seeds[1], 8
NEAR = 0.05  # of the base method: what is farther off is told apart by any seed
STOPPED, AFTER = "GRAO repaired", 50  # a run that is cut after this step, to show it
ALIKE = ("surprise", "GRAO repaired")  # the two methods for which pairing helps most
SHOWN = ("CHORD-φ", "bar", "GRAO repaired")  # in the picture of the risk


@cache
def log() -> list[Line]:
    """Every run of the table."""
    return read(log_of(TABLE))


@cache
def runs() -> dict[str, list[Line]]:
    """The judged runs of each method, in the order of their seeds."""
    (task,) = TABLE.tasks
    rates = best_rates(TABLE, log())[task]
    found = {}
    for method in TABLE.entrants:
        here = made(log(), Cell(task, method, rates[method], *TABLE.seeds))
        found[method] = [here[seed] for seed in sorted(here)]
    return found


@cache
def scores(step: int | None = None) -> dict[str, Array]:
    """What each method's seeds reach: the measure, or the evaluation of one step."""
    return {
        method: np.array(
            [measure(TABLE, line) if step is None else at(line, step) for line in lines]
        )
        for method, lines in runs().items()
    }


def at(line: Line, step: int) -> float:
    """An evaluation of a run."""
    return float(line["curve"][str(step)][TABLE.measure])


def near() -> list[str]:
    """The methods that are hard to tell from the base method, and itself; the best first."""
    found = scores()
    base = found[BASE].mean()
    close = [name for name, each in found.items() if abs(each.mean() - base) < NEAR]
    return sorted(close, key=lambda name: -found[name].mean())


def pairs_near() -> list[tuple[str, str]]:
    """Every two of them."""
    return list(combinations(near(), 2))


def others() -> list[str]:
    """The methods that are compared with the base one, the best first."""
    found = scores()
    return sorted(set(found) - {BASE}, key=lambda name: -found[name].mean())


def wrong_among_near(count: int, kind: str) -> float:
    """Mean of the risk of a wrong winner over all pairs near each other. kind: "same" or "own" seeds, or "new" ones."""
    found = scores()
    pairs = [(found[one], found[other]) for one, other in pairs_near()]
    if kind == "new":
        return mean(seeds.wrong_if(one - other, count) for one, other in pairs)
    same = kind == "same"
    return mean(seeds.wrong(one, other, count, same=same) for one, other in pairs)


def more(method: str, other: str = BASE, step: int | None = None) -> Array:
    """What a method has more than another, seed by seed."""
    found = scores(step)
    difference: Array = found[method] - found[other]
    return difference


def paired(method: str, other: str = BASE, step: int | None = None) -> Interval:
    """Its mean, with Student's interval."""
    return interval([float(each) for each in more(method, other, step)])


def unpaired(method: str, other: str = BASE) -> Interval:
    """The same as if the two methods had different seeds."""
    return welch(scores()[method].tolist(), scores()[other].tolist())


def narrower() -> list[tuple[str, str]]:
    """The pairs near each other whose paired interval is the narrower one."""
    return [each for each in pairs_near() if paired(*each).half < unpaired(*each).half]


def chances() -> dict[str, float]:
    """Of each method: the p-value of its difference to the base one."""
    return {name: seeds.chance(more(name)) for name in others()}


def at_rates(method: str) -> dict[str, float]:
    """What a method reaches at each learning rate, on the seeds that tune."""
    (task,) = TABLE.tuning
    cells = {
        rate: Cell(task, method, rate, *TABLE.tuning_seeds) for rate in TABLE.rates
    }
    return {
        rate: mean(measure(TABLE, line) for line in made(log(), cell).values())
        for rate, cell in cells.items()
    }


def turned() -> list[tuple[str, str]]:
    """The pairs of all methods of which one rate says the one is better, and another rate the other."""
    found = {method: at_rates(method) for method in TABLE.entrants}
    return [
        (one, other)
        for one, other in combinations(found, 2)
        if len({found[one][rate] > found[other][rate] for rate in TABLE.rates}) == 2
    ]


def readers() -> list[str]:
    """The methods that ask for the reference's reward."""
    return [
        name
        for name in others()
        if name in CONTESTANTS and CONTESTANTS[name].reads_reference
    ]


def at_equal_queries(method: str) -> Interval:
    """The lead over the base method, where a method that reads R(y) makes so many fewer steps: G for G + 1."""
    steps, share = (0, *TABLE.steps), GROUP / (GROUP + 1)
    reached = [
        mean(
            between(steps, [at(line, step) for step in steps], share * step)
            for step in TABLE.steps
        )
        for line in runs()[method]
    ]
    return interval([float(each) for each in np.array(reached) - scores()[BASE]])


def between(steps: Sequence[int], rewards: Sequence[float], step: float) -> float:
    """A reward between two evaluations: what is missing to 1 falls by the same factor in each step.

    >>> round(between((0, 10), (0.0, 0.75), 5), 2)
    0.5
    """
    missing = np.log1p(-np.array(rewards))
    return float(-np.expm1(np.interp(step, steps, missing)))


def sure_at(step: int | None) -> list[str]:
    """Who is better than the base method by one measure, without a correction."""
    return [name for name in others() if paired(name, step=step).sure == 1]


def stopped(seed: int) -> tuple[float, float, float]:
    """STOPPED's mean; with one seed cut AFTER a step, whose later evaluations count 0; and without that seed."""
    lines = runs()[STOPPED]
    whole = [measure(TABLE, line) for line in lines]
    curve = lines[seed]["curve"].items()
    cut = {"curve": {step: each for step, each in curve if int(step) <= AFTER}}
    without = [*whole[:seed], *whole[seed + 1 :]]
    return mean(whole), mean([*without, measure(TABLE, cut)]), mean(without)
