"""exp-crowd: several failing answers, where exp-map has one."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from theory import runs
from theory.arrivals import GOAL, rare
from theory.figures import COLOURS, figure
from theory.groups import Array
from theory.intervals import share_interval
from theory.ledger import Check, Finding, Run, claim, number
from theory.race import METHODS, ONE_RATE

P, QUALITY, CERTAIN = 0.05, 0.7, 0.9
RATES = (0.2, 0.4, 0.8, 1.6, 3.2)
NAMES = ("GRPO", "GRAO repaired")
SIZES = {  # numbers of failing answers, seeds, steps
    "quick": ([1, 8], 400, 60),
    "default": ([1, 2, 4, 8], 1000, 120),
    "full": ([1, 2, 4, 8, 16, 32], 4000, 240),
}


@dataclass(frozen=True)
class Race:
    """Of the runs of a method: how many reach V >= 0.9, for each learning rate; and of those at one rate for all, the
    share that is certain of the reference at some time, with their median π(best) then, over its start.
    """

    arrived: list[int]
    captured: tuple[float, float]


@cache
def race(name: str, failures: int, size: str, rates: tuple[float, ...] = RATES, pool: str = "with_reference") -> Race:
    """So many failing answers, for as many steps as the size says."""
    _, seeds, steps = SIZES[size]
    config = runs.settings(max_steps=steps, **(METHODS[name] | {"pool": pool}))
    rewards, logits = torch.tensor([1.0, QUALITY] + [0.0] * failures), rare(P, failures, seeds)
    arrived, best = torch.zeros(len(rates), seeds, dtype=torch.bool), torch.full((seeds,), torch.nan)
    for step in runs.run_at(rates, rewards, 1, logits, config):
        arrived |= step.value.view(len(rates), seeds) >= GOAL
        pi = step.theta.view(len(rates), seeds, -1)[rates.index(ONE_RATE)].softmax(-1)
        best = torch.where(best.isnan() & (pi[:, 1] >= CERTAIN), pi[:, 0], best)
    certain = float((~best.isnan()).double().mean())
    return Race(arrived.sum(-1).tolist(), (certain, float(best.nanmedian() / P)))


def shares(size: str) -> tuple[list[int], dict[str, Array]]:
    """Numbers of failing answers, and for each method the share of runs with V >= 0.9 after so many steps, at the rate
    that is best for it, with the ends of its interval: (3, F). All intervals at once hold with 95 %.
    """
    crowds, seeds, _ = SIZES[size]
    miss = 0.05 / (len(crowds) * len(NAMES) * len(RATES))
    found = {}
    for name in NAMES:
        counts = [race(name, failures, size).arrived for failures in crowds]
        ends = [[(count / seeds, *share_interval(count, seeds, miss)) for count in each] for each in counts]
        found[name] = np.max(ends, axis=1).T
    return crowds, found


ALT = (
    "Share of runs that reach the goal in time against the number of failing answers, 1 to 8: GRPO's stays near "
    "100 %, repaired GRAO's falls."
)


@claim(
    "exp-crowd",
    "The more failing answers there are, the more a beatable reference slows GRAO down.",
    topic="when GRAO helps and hurts",
    answer={
        "holds": "Yes: with many failing answers most GRAO runs become certain of a beatable reference before they "
        "have sampled anything better, and arrive late."
    },
)
def exp_crowd(run: Run) -> Finding:
    """Until the best answer is sampled, imitation raises the reference and lowers the failures. The reference's odds
    against the best rise alike for every number F of failures; the best's odds against a failure rise by 1/F as much,
    since F failures share the decrease. So a single failing answer loses probability to the best as well, and many lose
    it to the reference alone: the policy becomes certain of the reference (0.9) with little left of the best. No dead
    group is needed: in `outputs`, where dead groups have no gradient, a group that contains the reference has the same
    effect. The loop, 1,000 seeds; the best answer and the reference (0.7) at 5 % each; the best of five learning rates
    for each method and number, and for the mechanism 0.4 for all; exact intervals (Clopper and Pearson).
    """
    crowds, found = shares(run.size)
    with figure(run, "exp-crowd", legend="lower left") as axes:
        if axes is not None:
            for (name, rows), colour in zip(found.items(), COLOURS, strict=False):
                gaps = np.abs(rows[1:] - rows[0]) * 100
                axes.errorbar(crowds, rows[0] * 100, gaps, marker="o", capsize=3, color=colour, label=name)
            axes.set(xlabel="failing answers", ylabel="runs with V >= 0.9 in time, %", ylim=(0, 103))
            axes.set_xscale("log", base=2)
            axes.set_xticks(crowds, [str(each) for each in crowds])
    grpo, grao = (found[name] for name in NAMES)
    both = (crowds[0], crowds[-1])
    certain = {(name, crowd): race(name, crowd, run.size).captured for name in NAMES for crowd in both}
    few, many = (certain[NAMES[1], crowd] for crowd in both)
    literal = race("GRAO repaired", crowds[-1], run.size, (ONE_RATE,), "outputs").captured
    return Finding(
        f"With one failing answer {number(float(grao[0][0]))} of GRAO's runs reach the goal in time (GRPO: "
        f"{number(float(grpo[0][0]))}), with {crowds[-1]} of them {number(float(grao[0][-1]))} "
        f"({number(float(grpo[0][-1]))}); {many[0]:.0%} of them have by then been certain of the reference (with one "
        f"failing answer {few[0]:.0%}; GRPO's {certain[NAMES[0], crowds[-1]][0]:.0%}; in `outputs` "
        f"{literal[0]:.0%}), with {many[1]:.2f} of the best answer's first probability left. A language model has "
        "more failing answers than any table, so exp-map, which has one, favours GRAO, unless answers share weights.",
        holds=[Check(what=f"share of runs, GRPO − GRAO repaired, {crowds[-1]} failing answers, worse ends",
                     measured=float(grpo[1][-1] - grao[2][-1]), test=">", limit=0.1,
                     control="one failing answer, better ends", control_measured=float(grpo[2][0] - grao[1][0])),
               Check(what=f"share of GRAO's runs certain of the reference at some time, {crowds[-1]} failing answers",
                     measured=many[0], test=">", limit=0.5,
                     control="one failing answer", control_measured=few[0])],
        numbers={f"share of runs certain of the reference at some time, {name}, {crowd} failing": share
                 for (name, crowd), (share, _) in certain.items()}
        | {f"share of runs with V >= 0.9, {name}, {crowd} failing, interval from, to": tuple(map(float, row))
                 for name, rows in found.items() for crowd, row in zip(crowds, rows.T, strict=True)},
        figures={"exp-crowd": ALT},
    )  # fmt: skip
