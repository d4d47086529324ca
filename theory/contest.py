"""The race of exp-race: every method on the same tables, at equal reward queries, tuned on other tables.

A step asks for 8 rewards: 8 samples, or 7 and the reference where a method reads R(y). A run has arrived once V >= 0.9.

Decided before any method was run on these tables:

- Tuned: one rate for a method and an optimiser, for all tables, that of the smallest mean wait (`mean_wait`) on 24
  tables of `TUNING_SEED`, 12 seeds each, 400 steps; with SFT first, rate and budget together.
- Judged: on 48 tables of `JUDGING_SEED`, 400 steps, with other random numbers.
- A rule (`CANDIDATES`) is recommended if, under Adam, with intervals of 95 % over tables (paired bootstrap):
  1. its mean wait is at most 1.05 of GRPO's, upper end, in each of the kinds good, poor and wrong;
  2. and less than 2/3 of it, upper end, on the tables whose best answer is rarer than `RARE`;
  3. its share of runs that arrive is not below GRPO's by more than 0.02, lower end of the difference;
  4. its mean wait over all tables is less than repaired GRAO's, upper end of the ratio below 1.
  Of several, the one with the smallest mean wait. If there is none, none is recommended.
"""

from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theory import runs
from theory.arrivals import GOAL
from theory.groups import Array
from theory.tables import Tables

QUERIES = 8
NEIGHBOURS = "grao_ref.methods.neighbours."
RATES = {
    "sgd": (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8),
    "adam": (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2),
}
CANDIDATES = ("capped", "surprise", "bar", "bar, no imitation")
LESSONS = (2, 4, 8, 16, 32)  # steps of SFT before GRPO, the budget that is swept


@dataclass(frozen=True)
class Contestant:
    """A method's settings, and whether it asks for the reward of the reference."""

    settings: dict[str, Any]
    reads_reference: bool = False
    lessons: bool = False  # SFT first


CONTESTANTS = {
    "GRPO": Contestant({"method": "grpo"}),
    "RLOO": Contestant({"method": NEIGHBOURS + "rloo.RLOO"}),
    "Dr. GRPO": Contestant({"method": NEIGHBOURS + "dr_grpo.DR_GRPO"}),
    "PPO": Contestant({"method": "ppo"}),
    "SFT, then GRPO": Contestant({"method": "grpo"}, lessons=True),
    "CHORD-φ": Contestant({"method": NEIGHBOURS + "chord.CHORD"}),
    "LUFFY": Contestant({"method": NEIGHBOURS + "luffy.LUFFY"}, reads_reference=True),
    "SRFT": Contestant({"method": NEIGHBOURS + "srft.SRFT"}, reads_reference=True),
    "HPT": Contestant({"method": NEIGHBOURS + "hpt.HPT"}, reads_reference=True),
    "GRAO printed": Contestant({"method": "grao", "imitate_only_when_ahead": False}, reads_reference=True),
    "GRAO repaired": Contestant({"method": "grao"}, reads_reference=True),
    "capped": Contestant({"method": NEIGHBOURS + "capped.CAPPED"}, reads_reference=True),
    "surprise": Contestant({"method": NEIGHBOURS + "surprise.SURPRISE"}, reads_reference=True),
    "bar": Contestant({"method": NEIGHBOURS + "bar.BAR"}, reads_reference=True),
    "bar, no imitation": Contestant(
        {"method": NEIGHBOURS + "bar.BAR", "imitation_coef": 0.0, "alignment_coef": 0.0}, reads_reference=True
    ),
}


@dataclass(frozen=True)
class Entry:
    """A contestant as it runs: with which optimiser, at which rate, after how many steps of SFT."""

    name: str
    optimizer: str
    rate: float
    lessons: int = 0


def entries(name: str, optimizer: str) -> list[Entry]:
    """Every rate that is tried, and every budget of SFT."""
    budgets = LESSONS if CONTESTANTS[name].lessons else (0,)
    return [Entry(name, optimizer, rate, budget) for rate in RATES[optimizer] for budget in budgets]


def arrivals(entry: Entry, tables: Tables, seeds: int, steps: int, seed: int = 0) -> Array:
    """The step at which each run arrives, those of SFT counted; infinite where it does not within `steps`: (T, seeds).

    Every table is run `seeds` times; `seed` begins the loop's random numbers.
    """
    who = CONTESTANTS[entry.name]
    rewards, logits = (torch.tensor(each).repeat_interleave(seeds, 0) for each in (tables.rewards, tables.logits))
    noise = torch.tensor(tables.noise).repeat_interleave(seeds)
    common = {"optimizer": entry.optimizer, "learning_rate": entry.rate, "seed": seed}
    first = torch.full((len(rewards),), torch.inf)
    if entry.lessons:
        sft = runs.settings(**common | {"method": "sft", "max_steps": entry.lessons})
        first, logits = _run(first, rewards, logits, sft, noise, 0, len(first) + 1)
    config = runs.settings(
        **common | who.settings,
        num_generations=QUERIES - who.reads_reference,
        max_steps=steps - entry.lessons,
    )
    first, _ = _run(first, rewards, logits, config, noise, entry.lessons, len(first))
    waits: Array = first.view(len(tables), seeds).numpy()
    return waits


def _run(
    first: Tensor, rewards: Tensor, logits: Tensor, config: Any, noise: Tensor, before: int, enough: int
) -> tuple[Tensor, Tensor]:
    """`first` with the arrivals of this run in it, and the tables it leaves. It ends early once `enough` have arrived,
    and at a step whose numbers are not finite, which the loop refuses: at such a rate a method has failed.
    """
    with suppress(FloatingPointError):
        for step in runs.run(rewards, 1, logits, config, noise):
            here = first.isinf() & (step.value >= GOAL)
            first = torch.where(here, torch.full_like(first, before + step.step), first)
            logits = step.theta
            if int(first.isfinite().sum()) >= enough:
                break
    return first, logits


def mean_wait(waits: Array, steps: int) -> float:
    """The mean number of steps, a run that does not arrive counted as one step more than there were: what is tuned."""
    return float(np.minimum(waits, steps + 1).mean())


def at_once(tasks: list[tuple[Any, ...]], processes: int) -> list[Array]:
    """`arrivals` of each task's arguments."""
    if processes == 1:
        return [arrivals(*task) for task in tasks]
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        return list(pool.map(arrivals, *zip(*tasks, strict=True)))


def tuned(tables: Tables, seeds: int, steps: int, processes: int) -> dict[tuple[str, str], tuple[Entry, float]]:
    """For each contestant and optimiser, the entry of the smallest mean wait on these tables, and that wait."""
    pairs = [(name, optimizer) for name in CONTESTANTS for optimizer in RATES]
    every = [entry for pair in pairs for entry in entries(*pair)]
    waits = at_once([(entry, tables, seeds, steps) for entry in every], processes)
    means = {entry: mean_wait(each, steps) for entry, each in zip(every, waits, strict=True)}
    best = {pair: min(entries(*pair), key=means.__getitem__) for pair in pairs}
    return {pair: (entry, means[entry]) for pair, entry in best.items()}
