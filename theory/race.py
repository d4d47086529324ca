"""Steps to V >= 0.9 for every method, by initial success rate and reference quality: the runs of exp-map.

Rewards are 1 (rare, probability p), R(y) (as rare) and 0 (one answer; exp-crowd has several). A cell has 1,000 seeds
or more, rows of one table. Every method is run at the best of the same learning rates in each cell, so that a longer
step is no advantage, and at one rate for all, with plain steps and under Adam.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from theory import runs
from theory.arrivals import GOAL, first_arrivals, rare, taught
from theory.groups import Array
from theory.intervals import quantile_interval
from theory.ledger import number

G, SHARE = 8, 0.9
CONTROL = "GRPO, other seeds"
METHODS: dict[str, dict[str, Any]] = {
    "GRPO": {"method": "grpo"},
    "GRAO repaired": {"method": "grao"},
    "GRAO printed": {"method": "grao", "imitate_only_when_ahead": False},
    "SFT, then GRPO": {"method": "grpo"},
    CONTROL: {"method": "grpo", "seed": 1},
}
ONE_RATE = 0.4  # for all, as the paper has one for all
ADAM_RATE = 0.1  # for all under Adam, which the paper uses
ENOUGH = 0.96  # above the upper end of the interval of the quantile at 0.9, with 700 seeds or more
MOST = 0.6  # the same for the median
RATES = (1.6, 0.8, 3.2, ONE_RATE, 6.4)  # in the order in which they are tried


@dataclass(frozen=True)
class Grid:
    """Initial success rates, rewards of the reference, seeds of each cell, steps."""

    rates: tuple[float, ...]
    qualities: tuple[float, ...]
    seeds: int
    steps: int

    @property
    def shape(self) -> tuple[int, int]:
        """(P, Q)."""
        return len(self.rates), len(self.qualities)

    @property
    def beatable(self) -> list[bool]:
        """Where something is better than the reference: (Q)."""
        return [quality < 1 for quality in self.qualities]


def grid(size: str) -> Grid:
    """What is run in the tests, by `make theory` and with --full."""
    if size == "quick":
        return Grid((0.02,), (0.5, 1.0), 700, 60)
    if size == "default":
        return Grid((0.003, 0.02, 0.1), (0.3, 0.7, 1.0), 1000, 240)
    return Grid((0.001, 0.003, 0.01, 0.03, 0.1, 0.3), (0.1, 0.3, 0.5, 0.7, 0.9, 1.0), 2000, 400)


@dataclass(frozen=True)
class Waits:
    """Of one method in every cell, steps until V >= 0.9, each with the ends of its interval: (3, P, Q).

    Infinite: not within the run. The intervals hold for the whole map at once.
    """

    quantile: Array  # nine of ten runs are there, at the rate that is best for it
    median: Array  # half of them are, at the rate that is best for that
    one_rate: Array  # half of them are, at the one rate for all
    adam: Array  # half of them are, at one rate for all under Adam
    best: Array  # the rate that is best for the quantile, (P, Q)
    taught: Array  # steps of SFT that came before: 0 but for SFT, then GRPO, (P, Q)


@cache
def steps_to_goal(size: str) -> dict[str, Waits]:
    """Steps of G = 8 samples, of every method in every cell.

    The interval of the best rate's quantile is that of a minimum over rates: every quantile lies in its own interval,
    so the minimum lies between the minima of the ends. A rate whose wait can no longer be the minimum is stopped early.
    """
    cells = grid(size)
    tasks = [(name, p, cells, each_miss(cells)) for p in cells.rates for name in METHODS]  # the slow ones first
    rows = dict(zip(tasks, _at_once(tasks, 1 if size == "quick" else 2), strict=True))
    return {name: collected([row for task, row in rows.items() if task[0] == name]) for name in METHODS}


def _at_once(tasks: list[tuple[str, float, Grid, float]], processes: int) -> list[tuple[Array, ...]]:
    if processes == 1:
        return [_of_row(*task) for task in tasks]
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        return list(pool.map(_of_row, *zip(*tasks, strict=True)))


def each_miss(cells: Grid) -> float:
    """The share of 5 % for each interval: cells, methods, two quantiles of every rate and a median under Adam."""
    return 0.05 / (len(cells.rates) * len(cells.qualities) * len(METHODS) * (2 * len(RATES) + 1))


def collected(rows: list[tuple[Array, ...]]) -> Waits:
    """The map of a method from its rows, one for each success rate."""
    return Waits(*(np.stack(each, axis=-2) for each in zip(*rows, strict=True)))


def _of_row(name: str, p: float, cells: Grid, miss: float) -> tuple[Array, ...]:
    """The cells of one success rate, in the order of `Waits`: four times (3, Q), then (Q), (Q)."""
    rewards = torch.tensor([[1.0, q, 0.0] for q in cells.qualities]).repeat_interleave(cells.seeds, 0)
    logits = rare(p, 1, len(rewards))
    lessons = torch.zeros(len(rewards))
    if name.startswith("SFT"):
        logits, lessons = taught(rewards, logits)
    arrived = _at_every_rate(name, rewards, logits, cells, miss)
    quantiles, medians = (
        {rate: _with_interval(waits, share, miss) for rate, waits in zip(RATES, arrived, strict=True)}
        for share in (SHARE, 0.5)
    )
    by_rate = np.stack([quantiles[rate][0] for rate in RATES])
    best = np.array(RATES)[by_rate.argmin(0)]
    smallest = [np.min(list(each.values()), axis=0) for each in (quantiles, medians)]
    config = runs.settings(optimizer="adam", learning_rate=ADAM_RATE, max_steps=cells.steps, **METHODS[name])
    under_adam = first_arrivals(rewards, logits, config, len(cells.qualities), enough=MOST)
    adam = _with_interval(under_adam.view(len(cells.qualities), -1).numpy(), 0.5, miss)
    lesson = lessons.view(len(cells.qualities), -1)[:, 0].numpy()
    return smallest[0], smallest[1], medians[ONE_RATE], adam, best, lesson


def _at_every_rate(name: str, rewards: torch.Tensor, logits: torch.Tensor, cells: Grid, miss: float) -> Array:
    """When each row first reaches the goal at each of the rates, (R, Q, N); infinite: not before its rate was stopped,
    where enough had arrived in every cell, or where this rate, but for the one for all, could no longer be the best.
    """
    config = runs.settings(max_steps=cells.steps, **METHODS[name])
    first = torch.full((len(RATES), len(cells.qualities), cells.seeds), torch.inf)
    going, needed = torch.ones(len(RATES), dtype=torch.bool), torch.tensor([rate == ONE_RATE for rate in RATES])
    upper_ends = [np.full(len(cells.qualities), np.inf)]
    for step in runs.run_at(RATES, rewards, 1, logits, config, going):
        here = first.isinf() & (step.value.view_as(first) >= GOAL) & going[:, None, None]
        first = torch.where(here, torch.full_like(first, step.step), first)
        done = going & (first.isfinite().float().mean(-1) > ENOUGH).all(-1)
        upper_ends += [quantile_interval(waits.numpy(), SHARE, miss)[1] for waits in first[done]]
        going &= ~done
        if step.step > np.min(upper_ends, axis=0).max():
            going &= needed
        if not going.any():
            break
    waits: Array = first.numpy()
    return waits


def _with_interval(waits: Array, share: float, miss: float) -> Array:
    middle = np.quantile(waits, share, axis=-1, method="higher")
    return np.stack([middle, *quantile_interval(waits, share, miss)])


def costs(name: str, steps: Array, taught: Array) -> dict[str, Array]:
    """What these steps cost in every currency; at least one step. GRAO asks for R(y) too and trains on y; SFT asks for
    no reward and trains on one answer a step. All methods sample 8 a step, so steps are sampled tokens over 8.
    """
    more = G + name.startswith("GRAO")
    steps = np.maximum(steps, 1)
    return {"samples": G * steps, "reward queries": more * steps, "answers trained on": more * steps + taught}


def ratio(name: str, size: str, of: str = "quantile", against: str = "GRPO", currency: str = "samples") -> Array:
    """Cost of one method over another's, and the ends of its interval: (3, P, Q), NaN where neither gets there.

    `of`: "quantile", "median", "one_rate" or "adam". At the ends of the interval, runs that do not arrive are censored
    one step after the last.
    """
    found, beyond = steps_to_goal(size), grid(size).steps + 1

    def cost(method: str, steps: Array) -> Array:
        return costs(method, steps, found[method].taught)[currency]

    (one, one_low, one_high), (other, other_low, other_high) = getattr(found[name], of), getattr(found[against], of)
    with np.errstate(invalid="ignore"):
        middle = cost(name, one) / cost(against, other)
        low = cost(name, np.minimum(one_low, beyond)) / cost(against, other_high)
        high = cost(name, one_high) / cost(against, np.minimum(other_low, beyond))
    return np.stack([middle, low, high])


def range_of(table: Array) -> str:
    """The smallest and the largest of some cells."""
    return f"{number(float(np.nanmin(table)))} to {number(float(np.nanmax(table)))}"
