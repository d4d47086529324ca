"""The race as it is judged: every contestant at its tuned rate on tables that tuned nothing, and what is read off.

And, added once the race was judged, tables of which more answers fail: `crowded`.
"""

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from theory.contest import CONTESTANTS, RATES, at_once, mean_wait
from theory.groups import Array
from theory.intervals import quantile_interval, share_interval
from theory.tables import JUDGING_SEED, KINDS, RARE, Tables, drawn
from theory.tuned import entry_of

OTHER_SEEDS = "GRPO, other seeds"
BEATABLE = ("good", "poor", "wrong")
DRAWS, MISS = 2000, 0.05
CROWDS, CROWDED_SEED = (64, 512), 20261128  # answers that fail
Mask = NDArray[np.bool_]


@cache
def tables_of(size: str) -> Tables:
    """The tables that are judged on."""
    return drawn({"quick": 16, "default": 48, "full": 96}[size], JUDGING_SEED)


def steps_of(size: str) -> int:
    """Steps of a run."""
    return 120 if size == "quick" else 400


@cache
def waits_of(size: str) -> dict[tuple[str, str], Array]:
    """When the runs of each contestant and optimiser arrive, (T, seeds); the tests run four contestants under Adam."""
    quick = ("GRPO", "GRAO repaired", "SRFT", "bar")
    names, optimizers = (quick, ("adam",)) if size == "quick" else (tuple(CONTESTANTS), tuple(RATES))
    pairs = [(name, optimizer) for optimizer in optimizers for name in names]
    entries = {pair: entry_of(*pair) for pair in pairs}
    seeds = {"quick": 4, "default": 16, "full": 50}[size]
    others = {(OTHER_SEEDS, optimizer): entry_of("GRPO", optimizer) for _, optimizer in pairs}
    tasks = [(entry, tables_of(size), seeds, steps_of(size), 1) for entry in entries.values()]
    tasks += [(entry, tables_of(size), seeds, steps_of(size), 2) for entry in others.values()]
    found = at_once(tasks, 1 if size == "quick" else 2)
    return dict(zip((*entries, *others), found, strict=True))


def where(size: str, what: str) -> Mask:
    """True on the tables of a kind, on the `rare` ones, or on `all`: (T,)."""
    tables = tables_of(size)
    if what == "all":
        return np.ones(len(tables), dtype=bool)
    mask: Mask = tables.rarity < RARE if what == "rare" else tables.kind == KINDS.index(what)
    return mask


def ratio(size: str, name: str, over: str, optimizer: str, what: str = "all") -> tuple[float, float, float]:
    """Mean wait over another's on some tables, and the ends of its interval: both resampled by table, together."""
    mask, found = where(size, what), waits_of(size)
    return ratio_of(found[name, optimizer][mask], found[over, optimizer][mask], steps_of(size))


def ratio_of(waits: Array, over: Array, steps: int) -> tuple[float, float, float]:
    """Mean wait over another's, (T, seeds) each, and the ends of its interval: resampled by table, together."""
    one, other = (np.minimum(each, steps + 1).mean(1) for each in (waits, over))
    rows = resampled(len(one))
    return with_ends(one.mean() / other.mean(), one[rows].mean(1) / other[rows].mean(1))


def lead(size: str, name: str, over: str, optimizer: str) -> tuple[float, float, float]:
    """Difference of the shares of runs that arrive, and the ends of its interval, resampled by table."""
    found = waits_of(size)
    difference = np.subtract(*(np.isfinite(found[each, optimizer]).mean(1) for each in (name, over)))
    return with_ends(difference.mean(), difference[resampled(len(difference))].mean(1))


def resampled(tables: int) -> NDArray[np.int64]:
    """Indices of as many tables, drawn with replacement: (DRAWS, T)."""
    return np.random.default_rng(0).integers(tables, size=(DRAWS, tables))


def with_ends(found: float, again: Array) -> tuple[float, float, float]:
    """What was found, and the ends of its interval from the same on resampled tables."""
    low, high = np.quantile(again, (MISS / 2, 1 - MISS / 2))
    return float(found), float(low), float(high)


def summary(size: str, name: str, optimizer: str, what: str = "all") -> tuple[float, ...]:
    """Mean wait; half of the runs have arrived at step, from, to; share that arrives, from, to."""
    return summary_of(waits_of(size)[name, optimizer][where(size, what)], steps_of(size))


def summary_of(waits: Array, steps: int) -> tuple[float, ...]:
    """The same of any runs (T, seeds)."""
    flat = waits.reshape(1, -1)
    low, high = quantile_interval(flat, 0.5, MISS)
    half = np.quantile(flat, 0.5, axis=-1, method="higher")
    come = int(np.isfinite(flat).sum())
    share = (come / flat.size, *share_interval(come, flat.size, MISS))
    return mean_wait(waits, steps), float(half[0]), float(low[0]), float(high[0]), *share


@cache
def crowded(size: str) -> dict[tuple[str, int], tuple[float, float, float, float]]:
    """By contestant and how many answers fail, under Adam at the tuned rate, tables drawn as those that judge: mean
    wait over GRPO's, and the ends of its interval; share that arrives.
    """
    quick, steps = size == "quick", steps_of(size)
    names = ("GRPO", "bar", "surprise") if size == "full" else ("GRPO", "bar")
    pairs = product(names, CROWDS[1:] if quick else CROWDS)
    seeds = {"quick": 2, "default": 4, "full": 16}[size]
    tasks = {(name, fail): (entry_of(name, "adam"), drawn(16, CROWDED_SEED, fail), seeds, steps, 3)
             for name, fail in pairs}  # fmt: skip
    waits = dict(zip(tasks, at_once(list(tasks.values()), 1 if quick else 2), strict=True))
    return {(name, fail): (*ratio_of(each, waits["GRPO", fail], steps), float(np.isfinite(each).mean()))
            for (name, fail), each in waits.items()}  # fmt: skip
