"""exp-map: who needs how many steps, reward queries and answers, by initial success rate and reference quality."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from theory import runs
from theory.figures import figure
from theory.groups import Array
from theory.intervals import quantile_interval
from theory.ledger import Check, Finding, Run, claim, number

GOAL, SHARE, TAUGHT = 0.9, 0.9, 0.5
G, SFT_STEPS = 8, 60
METHODS: dict[str, dict[str, Any]] = {
    "GRPO": {"method": "grpo"},
    "GRAO repaired": {"method": "grao"},
    "GRAO printed": {"method": "grao", "imitate_only_when_ahead": False},
    "SFT, then GRPO": {"method": "grpo"},
}
RATES = (0.8, 3.2)  # the better of two in each cell; 0.2 is too slow for all, 12.8 too fast


def grids(size: str) -> tuple[list[float], list[float], int, int]:
    """Initial success rates, rewards of the reference, seeds of each cell, steps."""
    if size == "quick":
        return [0.01, 0.2], [0.5, 1.0], 700, 30
    if size == "default":
        return [0.003, 0.02, 0.2], [0.2, 0.5, 0.8, 1.0], 1000, 120
    return [0.001, 0.003, 0.01, 0.03, 0.1, 0.3], [0.1, 0.3, 0.5, 0.7, 0.9, 1.0], 2000, 300


@dataclass(frozen=True)
class Waits:
    """Of one method in every cell (P, Q), steps until V >= 0.9; infinite: not within the run."""

    quantile: Array  # nine of ten runs are there
    low: Array  # its interval, for the whole map at once
    high: Array
    median: Array
    one_rate: Array  # the median at the first of the rates
    taught: Array  # steps of SFT that came before: 0 but for SFT, then GRPO


@cache
def steps_to_goal(size: str) -> dict[str, Waits]:
    """Steps of G = 8 samples, of each method, in cells whose 1,000 seeds are rows of one table.

    Rewards are 1 (rare, probability p), R(y) (as rare) and 0. The interval of the better of two rates is that of the
    smaller of two quantiles: both lie in theirs, so it lies between the smaller ends.
    """
    rates, qualities, seeds, steps = grids(size)
    cells = [(p, q) for p in rates for q in qualities]
    rewards = torch.tensor([[1.0, q, 0.0] for _, q in cells]).repeat_interleave(seeds, 0)
    logits = torch.tensor([[p, p, 1 - 2 * p] for p, _ in cells]).log().repeat_interleave(seeds, 0)
    taught, lessons = _taught(rewards, logits)
    miss = 0.05 / (len(cells) * len(METHODS) * len(RATES))
    found = {}
    for name, change in METHODS.items():
        rows = []
        for rate in RATES:
            config = runs.settings(learning_rate=rate, max_steps=steps, **change)
            first = torch.full((len(logits),), torch.inf)
            for step in runs.run(rewards, 1, taught if name.startswith("SFT") else logits, config):
                first = torch.where(first.isinf() & (step.value >= GOAL), torch.full_like(first, step.step), first)
            waits = first.view(len(rates), len(qualities), seeds).numpy()
            middle = np.median(waits, axis=-1)
            quantile = np.quantile(waits, SHARE, axis=-1, method="higher")
            rows.append((quantile, *quantile_interval(waits, SHARE, miss), middle))
        best = np.stack(rows).min(0)
        before = lessons.view(len(rates), len(qualities), seeds)[..., 0].numpy() * name.startswith("SFT")
        found[name] = Waits(best[0], best[1], best[2], best[3], rows[0][3], before)
    return found


def _taught(rewards: torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The tables when SFT has made every other answer the reference, and after how many steps."""
    tables, lessons = logits, torch.zeros(len(logits))
    for step in runs.run(rewards, 1, logits, runs.settings(method="sft", learning_rate=0.2, max_steps=SFT_STEPS)):
        short = tables.softmax(-1)[:, 1:2] < TAUGHT
        tables = torch.where(short, step.theta, tables)
        lessons = torch.where(short[:, 0], torch.full_like(lessons, step.step), lessons)
    return tables, lessons


def costs(name: str, steps: Array, taught: Array) -> dict[str, Array]:
    """What these steps cost in every currency; at least one step. GRAO asks for R(y) too and trains on y; SFT asks for
    no reward and trains on one answer a step. All methods sample 8 a step, so steps are sampled tokens over 8.
    """
    more = G + name.startswith("GRAO")
    steps = np.maximum(steps, 1)
    return {"samples": G * steps, "reward queries": more * steps, "answers trained on": more * steps + taught}


def ratio(name: str, size: str, against: str = "GRPO", currency: str = "samples") -> Array:
    """Cost of one method over another's, and the ends of its interval: (3, P, Q), NaN where neither gets there.

    In the ends, who isn't there within the run's steps is known to need at least one more, and no more is known.
    """
    found, beyond = steps_to_goal(size), grids(size)[3] + 1
    one, other = found[name], found[against]

    def cost(method: str, waits: Waits, steps: Array) -> Array:
        return costs(method, steps, waits.taught)[currency]

    with np.errstate(invalid="ignore"):
        middle = cost(name, one, one.quantile) / cost(against, other, other.quantile)
        low = cost(name, one, np.minimum(one.low, beyond)) / cost(against, other, other.high)
        high = cost(name, one, one.high) / cost(against, other, np.minimum(other.low, beyond))
    return np.stack([middle, low, high])


def _draw(run: Run, found: dict[str, Waits]) -> None:
    """First row: steps, their interval and the median. Second: answers trained on, SFT's included."""
    rates, qualities, _, limit = grids(run.size)
    with figure(run, "exp-map", columns=len(METHODS), rows=2) as axes:
        if axes is None:
            return
        for column, (name, waits) in zip(axes.T, found.items(), strict=True):
            ends = [costs(name, each, waits.taught)["answers trained on"]
                    for each in (waits.quantile, waits.low, waits.high)]  # fmt: skip
            _panel(column[0], (waits.quantile, waits.low, waits.high), limit)
            for (i, j), middle in np.ndenumerate(waits.median):
                column[0].text(j, i - 0.32, f"median {_count(middle)}", ha="center", va="center", fontsize=6)
            _panel(column[1], (ends[0], ends[1], ends[2]), (G + 1) * limit)
            column[0].set_title(f"{name}: steps to V = {GOAL:g}, 9 of 10 runs", fontsize=9)
            column[1].set_title(f"{name}: answers trained on", fontsize=9)
            for each in column:
                each.set_xticks(range(len(qualities)), [f"{q:g}" for q in qualities])
                each.set_yticks(range(len(rates)), [f"{p:g}" for p in rates])
                each.set(xlabel="reward of the reference", ylabel="initial success rate")


def _panel(axes: Any, ends: tuple[Array, Array, Array], limit: float) -> None:
    table = np.where(np.isinf(ends[0]), np.nan, ends[0])
    axes.imshow(table, origin="lower", cmap="Blues", vmin=0, vmax=1.6 * limit)  # pale: black is read on all of it
    for i, j in np.ndindex(table.shape):
        axes.text(j, i + 0.12, _count(float(ends[0][i, j])), ha="center", va="center")
        between = f"{_count(float(ends[1][i, j]))} to {_count(float(ends[2][i, j]))}"
        axes.text(j, i - 0.12, between, ha="center", va="center", fontsize=7)


def _count(value: float) -> str:
    return "never" if np.isinf(value) else f"{value:.0f}"


@claim(
    "exp-map",
    "There is a region of success rate and reference quality where GRAO is ahead, and one where it is behind.",
)
def exp_map(run: Run) -> Finding:
    """Cells of 1,000 seeds, the loop, the better of two learning rates for each method in each cell. Steps until
    nine of ten runs are there: the median, beside it, hides the runs that grow certain of the reference first. The
    interval of the quantile is exact (order statistics, binomial), with 95 % for the whole map at once (Bonferroni over
    cells, methods and rates), and the checks are on its worse end. Who isn't there within the run counts as one
    step late in them. Every method samples 8 a step: equal steps are equal sampled tokens. Costs beside it: reward
    queries (8 a step; GRAO 9, with R(y); SFT none) and answers trained on (8; GRAO 9; SFT 1 a step, before GRPO's).
    """
    found = steps_to_goal(run.size)
    _draw(run, found)
    rates, qualities, *_ = grids(run.size)
    cells = [(i, j, f"p = {p:g}, R(y) = {q:g}") for i, p in enumerate(rates) for j, q in enumerate(qualities)]
    repaired, staged = ratio("GRAO repaired", run.size), ratio("SFT, then GRPO", run.size)
    trained = {name: ratio(name, run.size, currency="answers trained on") for name in METHODS if name != "GRPO"}
    asked = {name: ratio(name, run.size, currency="reward queries") for name in trained}
    lead = [int((table[2] < 1).sum()) for table in (repaired, trained["GRAO repaired"])]
    lag = [int((table[1] > 1).sum()) for table in (repaired, trained["GRAO repaired"])]
    with np.errstate(invalid="ignore"):
        equal = found["GRAO repaired"].one_rate / found["GRPO"].one_rate
    least, sure, worst = np.nanmin(repaired[0]), np.nanmin(repaired[2]), np.nanmax(repaired[1])
    return Finding(
        f"Repaired GRAO takes {number(float(least))} to {number(float(np.nanmax(repaired[0])))} times GRPO's steps. It "
        f"is ahead beyond doubt in {lead[0]} of {len(cells)} cells, those whose reference is itself the best answer, "
        f"and behind in {lag[0]}; counted in answers trained on, SFT's included, in {lead[1]} and {lag[1]}. A beatable "
        "reference is a detour: some policies grow certain of it before they have met anything better. SFT until every "
        f"other answer is the reference, then GRPO, takes {number(float(np.nanmin(staged[0])))} to "
        f"{number(float(np.nanmax(staged[0])))} times GRPO's steps, and "
        f"{number(float(np.nanmin(trained['SFT, then GRPO'][0])))} times the answers at best: its lessons cost little "
        "beside groups of 8. The median run at one learning rate for all, 0.8, needs "
        f"{number(float(np.nanmin(equal)))} to {number(float(np.nanmax(equal)))} times GRPO's steps: GRAO's steps are "
        "longer. With the rate tuned for each that lead is gone where y can be beaten. In a table a good reference "
        "makes no better answer likelier; where answers share weights it may. (∞: not within this run's steps.)",
        holds=[
            Check("lowest of GRAO's steps over GRPO's, upper end", float(sure), "<", 0.8, "highest, lower end",
                  float(worst)),
            Check("highest, lower end", float(worst), ">", 1.25, "lowest, upper end", float(sure)),
            Check("highest of GRAO's answers over GRPO's, lower end", float(np.nanmax(trained["GRAO repaired"][1])),
                  ">", 1.25, "lowest, upper end", float(np.nanmin(trained["GRAO repaired"][2]))),
        ],
        numbers={f"{name}, {cell}: steps of 9 of 10 runs, interval from, to, median":
                 tuple(float(each[i, j]) for each in (waits.quantile, waits.low, waits.high, waits.median))
                 for name, waits in found.items() for i, j, cell in cells}
        | {f"{name} over GRPO, {cell}: reward queries, answers trained on, interval from, to":
           (float(asked[name][0][i, j]), *(float(end[i, j]) for end in trained[name]))
           for name in trained for i, j, cell in cells}
        | {f"SFT's steps before GRPO, p = {p:g}": float(found["SFT, then GRPO"].taught[i, 0])
           for i, p in enumerate(rates)},
        figures=["exp-map"],
    )  # fmt: skip
