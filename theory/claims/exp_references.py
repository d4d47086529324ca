"""exp-references: references that are bad, and references that are scored wrongly."""

from functools import cache
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theory.figures import figure
from theory.groups import Array
from theory.intervals import share_interval
from theory.ledger import Check, Finding, Run, claim
from theory.rules import BETA, GOAL, LAM, RATES, G, Rule, arrivals, crowd, field, grao, grpo

P, FAILURES = 0.05, 8
CASES = {  # true R(y), mean of its score, deviation of the score
    "best, scored right": (1.0, 1.0, 0.0),
    "best, scored 0.5": (1.0, 0.5, 0.0),
    "best, scored −0.5": (1.0, -0.5, 0.0),
    "best, noise 0.3": (1.0, 1.0, 0.3),
    "0.7, scored right": (0.7, 0.7, 0.0),
    "0.7, scored 0.3": (0.7, 0.3, 0.0),
    "0.7, noise 0.3": (0.7, 0.7, 0.3),
    "0.7, scored 1.3": (0.7, 1.3, 0.0),
    "fails, scored right": (0.0, 0.0, 0.0),
    "fails, scored 0.7": (0.0, 0.7, 0.0),
    "fails, scored 1.3": (0.0, 1.3, 0.0),
}
METHODS: dict[str, dict[str, Any]] = {
    "GRPO": {},
    "printed": {"ahead": False},
    "repaired": {},
    "outputs": {"ahead": False, "pool": "outputs"},
}
LIMIT = (BETA + LAM / G) * sqrt(2 * G)
SIZES = {"quick": (150, 60), "default": (300, 120), "full": (2000, 240)}  # seeds, steps


def rule_of(name: str, case: str) -> tuple[Rule, Tensor]:
    """A method's rule and the table of true rewards."""
    true, mean, deviation = CASES[case]
    rewards = torch.tensor([1.0, true] + [0.0] * FAILURES, dtype=torch.float64)
    if name == "GRPO":
        return grpo(rewards), rewards
    rng = torch.Generator().manual_seed(1)
    score = (lambda n: mean + deviation * torch.randn(n, dtype=torch.float64, generator=rng)) if deviation else mean
    return grao(rewards, 1, score, **METHODS[name]), rewards


@cache
def raced(size: str) -> dict[tuple[str, str], tuple[Array, Array]]:
    """For each method and case: of N seeds, the share that ever has V >= 0.9 and the share that has it at the end, each
    with its interval, (2, 3), at the best of five rates; and steps until half and nine of ten have it, (2,).
    """
    seeds, steps = SIZES[size]
    miss, found = 0.05 / (len(METHODS) * len(CASES) * len(RATES) * 2), {}
    for name in METHODS:
        for case in CASES:
            rule, rewards = rule_of(name, case)
            waits, last = arrivals(rule, rewards, crowd(P, 1, FAILURES, seeds), steps)
            counts = [np.isfinite(waits).sum(1), (last >= GOAL).sum(1)]
            shares = [max((int(c) / seeds, *share_interval(int(c), seeds, miss)) for c in each) for each in counts]
            steps_to = [np.quantile(waits, part, axis=1, method="higher").min() for part in (0.5, 0.9)]
            found[name, case] = np.array(shares), np.array(steps_to)
    return found


def pull(score: float, pool: str = "with_reference", ahead: bool = True) -> float:
    """‖F‖ where the policy is certain of the best answer (1 − 10⁻⁶) and the reference fails, by its score."""
    rewards = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    policy = torch.tensor([[1 - 2e-6, 1e-6, 1e-6]], dtype=torch.float64)
    return float(field(grao(rewards, 1, score, pool=pool, ahead=ahead), policy).norm())


@claim(
    "exp-references",
    "GRAO is safe against bad references and against references that are scored wrongly.",
    topic="references",
    answer={
        "holds under conditions": "GRAO is safe against a bad reference that is scored as bad, and against a best "
        "one scored too low; it isn't against a reference that is scored too high."
    },
)
def exp_references(run: Run) -> Finding:
    """R(y) may be scored wrongly while the samples are scored right. Eq-4 keeps only the proportions of the pool's
    gaps. A score c above every sample's has Â_y > 0, so w_y > 0 in every group (thm-1). Where the policy is certain
    of the best answer, reward 1, every group is the same, and the pool of G ones and c has Â_y = √G for every c >
    1: ‖F‖ = (β + λ/G) √G √2 at any excess, however small. So the best policy is not stationary, and the pull is not
    proportional to the error. With c <= 1 it is 0 for the repaired objective; the printed one then pushes the
    reference, and has a pull of the other sign wherever c < 1. In `outputs` a group of equal samples teaches
    nothing, whatever c is. Exact fields by enumeration; runs on the table of exp-crowd, eight failing answers at
    first, 120 steps, each method and case at the best of five rates; exact intervals (Clopper and Pearson), 95 %
    for all at once. "Fails" is a reference that is one of the failing answers, as probable as the best (0.05).
    """
    found = raced(run.size)
    ever = {key: shares[0] for key, (shares, _) in found.items()}
    last = {key: shares[1] for key, (shares, _) in found.items()}
    _draw(run, ever)
    right, wrong, noisy = "fails, scored right", "fails, scored 1.3", "0.7, noise 0.3"

    def behind(case: str) -> float:
        """How far the repaired objective is behind GRPO, worse ends."""
        return float(ever["GRPO", case][1] - ever["repaired", case][2])

    def row(case: str) -> str:
        return ", ".join(f"{name} {ever[name, case][0]:.0%}" for name in METHODS)

    return Finding(
        "It is safe against a bad reference that is scored as such, and against a good one that is scored too low: "
        f"where y fails and its score says so, runs that reach V >= 0.9: {row(right)}; where y is the best answer and "
        f"is scored below every failure: {row('best, scored −0.5')}, only slower. It is not safe against a reference "
        f"that is scored too high. Scored 0.7 where it fails: {row('fails, scored 0.7')}. Scored above the best answer "
        f"(1.3): {row(wrong)}, and at the end {last['repaired', wrong][0]:.0%} of the repaired and "
        f"{last['outputs', wrong][0]:.0%} of the runs in `outputs` are there: the best answer is left again. At the "
        f"best policy the pull of a score of 1.001 is {pull(1.001):.2f}, that of 1.3 {pull(1.3):.2f}. Scoring a "
        f"beatable reference (0.7) too low, 0.3, does not make the repaired objective leave it, since failures are "
        f"lower still: {row('0.7, scored 0.3')} (scored right: {row('0.7, scored right')}). Noise of 0.3 on that "
        f"score does not help either: {row(noisy)}. Where the policy is certain of the reference, every second score "
        "is above its samples', and an advantage of that pool has a size of √G however small the error.",
        holds=[Check(what="share of repaired runs that reach V >= 0.9, y fails and is scored right, lower end",
                     measured=float(ever["repaired", right][1]), test=">", limit=0.85,
                     control="y fails and is scored 1.3, upper end",
                     control_measured=float(ever["repaired", wrong][2])),
               Check(what="‖F‖ at the best policy, repaired, y fails, score 0.5", measured=pull(0.5), test="<",
                     limit=1e-3, control="as printed", control_measured=pull(0.5, ahead=False)),
               Check(what="the same in `outputs`, score 1.001", measured=pull(1.001, "outputs"), test="<", limit=1e-3,
                     control="the reference in the pool", control_measured=pull(1.001))],
        fails=[Check(what="‖F‖ at the best policy over (β + λ/G) √(2G), repaired, y fails, score 1.001",
                     measured=pull(1.001) / LIMIT, test=">", limit=0.99,
                     control="score 1", control_measured=pull(1.0) / LIMIT),
               Check(what="share of repaired runs with V >= 0.9 at the end, y fails, score 1.3, upper end",
                     measured=float(last["repaired", wrong][2]), test="<", limit=0.2,
                     control="scored right, lower end", control_measured=float(last["repaired", right][1])),
               Check(what="share of runs, GRPO − repaired, y = 0.7 with noise 0.3 on its score, worse ends",
                     measured=behind(noisy), test=">", limit=0.3,
                     control="y fails and is scored right", control_measured=behind(right))],
        numbers={f"{name}, y {case}: share that ever has V >= 0.9, interval from, to, that has it at the end, steps of "
                 "half of the runs, of nine of ten": (*map(float, shares[0]), float(shares[1, 0]), *map(float, steps))
                 for (name, case), (shares, steps) in found.items()},
        figures={"exp-references": ALT},
    )  # fmt: skip


ALT = (
    "Share of runs that ever reach the goal, for eleven kinds and scores of reference and four methods. GRPO's is "
    "high in all; GRAO's is lower where the reference is 0.7 or is scored too high, above all with the reference "
    "pooled."
)


def _draw(run: Run, ever: dict[tuple[str, str], Array]) -> None:
    with figure(run, "exp-references", legend="upper left") as axes:
        if axes is None:
            return
        axes.figure.set_size_inches(7, 5)
        for shift, name in zip((0.27, 0.09, -0.09, -0.27), METHODS, strict=True):
            rows = np.array([ever[name, case] for case in CASES]) * 100
            at = np.arange(len(CASES))[::-1] + shift
            axes.errorbar(
                rows[:, 0], at, xerr=np.abs(rows[:, 1:] - rows[:, :1]).T, fmt="o", ms=4, capsize=2, label=name
            )
        axes.set_yticks(range(len(CASES)), list(CASES)[::-1], fontsize=9)
        axes.set(xlabel="runs that ever have V >= 0.9, %", xlim=(-3, 103))
