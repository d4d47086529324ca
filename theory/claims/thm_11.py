"""thm-11: how many steps any rule needs to see the best answer, if it never raises what it has not seen."""

from math import log

import numpy as np
import torch

from theory import corner, runs
from theory.groups import Array
from theory.intervals import quantile_interval
from theory.ledger import Check, Finding, Run, claim

G, P, DELTA, MISS = 8, 0.003, 0.1, 0.001
RATES = (0.4, 1.6)


def bound(p: float = P, size: int = G, delta: float = DELTA) -> float:
    """ln(1/δ) / (−G ln(1−p))."""
    return log(1 / delta) / (-size * log(1 - p))


def table(failures: int, rows: int) -> tuple[Array, Array]:
    """Rewards (K,) and logits (N, K): best and y with probability p each, the failures share the rest."""
    rewards = np.array([1.0, 0.5, *[0.0] * failures])
    return rewards, np.tile(np.log([P, P, *[(1 - 2 * P) / failures] * failures]), (rows, 1))


def waits(rule: corner.Rule, failures: int, rate: float, rows: int, steps: int, natural: bool = False) -> Array:
    """The step at which each run first samples the best answer, infinite if it does not: (N,)."""
    rewards, logits = table(failures, rows)
    first = np.full(rows, np.inf)
    walk = corner.ascend(rule, rewards, logits, reference=1, rate=rate, steps=steps, natural=natural)
    for step, (_, counts) in enumerate(walk, start=1):
        first = np.where(np.isinf(first) & (counts[:, 0] > 0), step, first)
        if np.isfinite(first).mean() > 1 - DELTA / 2:
            break
    return first


def loop_waits(rate: float, rows: int, steps: int) -> Array:
    """The same of GRPO in the package's loop, one failing answer: θ_best moves only once the best is sampled."""
    rewards, logits = table(1, rows)
    config = runs.settings(method="grpo", learning_rate=rate, max_steps=steps)
    first = np.full(rows, np.inf)
    for step in runs.run(torch.tensor(rewards), 1, torch.tensor(logits), config):
        moved = np.abs(step.theta[:, 0].numpy() - logits[:, 0]) > 1e-9
        first = np.where(np.isinf(first) & moved, step.step, first)
    return first


def with_interval(first: Array) -> tuple[float, float, float]:
    """The step until which a share 1 − δ has seen the best, and its exact interval at 99.9 %."""
    low, high = quantile_interval(first, 1 - DELTA, MISS)
    return float(np.quantile(first, 1 - DELTA, method="higher")), float(low), float(high)


@claim(
    "thm-11",
    "A rule that never raises an unseen answer needs ln(1/δ)/(−G ln(1−p)) steps to show it to 1 − δ of runs.",
    topic="the family and the race",
    answer={
        "holds": "Yes: a method that never raises an answer before sampling it needs at least this many steps to "
        "find a rare one, and a faster method must raise unseen answers."
    },
)
def thm_11(run: Run) -> Finding:
    """Hypotheses: G independent samples a step from the policy itself, and π(best) does not rise above its start p
    before the best answer is first sampled. Then each step misses it with probability >= (1−p)^G whatever came before,
    so a run has not seen it after T steps with probability >= (1−p)^(GT). A share 1 − δ has seen it only if (1−p)^(GT)
    <= δ, T >= ln(1/δ)/(−G ln(1−p)). No update at all attains it, rounded up. The hypothesis is on the probability, not
    on the logit. With weights >= 0 on the answers' logits themselves, as in natural gradient, it holds: Σ e^θ grows and
    e^θ_best does not. It does not hold for a gradient of softmax, even with weights >= 0: w (e_y − π) takes most from
    the likeliest answers, and changes log π_best by w (Σ π² − π_y − π_best) to first order, which is positive while one
    failure is likely. GRPO leaves the logit of an unseen answer alone, Σw = 0: a group with k failures adds c to θ_y
    and takes c from the one failing answer, so Σ e^θ changes by π_y (e^c − 1) − π_f (1 − e^−c), negative while
    π_f > e^c π_y. In both cases failures are lowered, and π(best) rises with everything else. Once y is likely the sign
    turns, π(best) falls, and thm-8 begins. So lowering failures is what beats the bound, and only early.
    """
    rows, steps = run.pick((700, 110), (1000, 300), (20000, 4000))
    crowds = run.pick((1,), (1, 8), (1, 8))
    rules: dict[str, corner.Rule] = {"frozen": corner.frozen, "GRPO": corner.grpo, "only its positive weights":
                                     corner.only_raises, "GRAO": corner.grao, "R(y) as baseline":
                                     corner.against_reference}  # fmt: skip
    found = {(name, failures, rate): with_interval(waits(rule, failures, rate, rows, steps))
             for name, rule in rules.items() for failures in crowds
             for rate in (RATES if name != "frozen" else RATES[:1])}  # fmt: skip
    least, at = bound(), RATES[0]
    frozen, grpo = found["frozen", 1, at], {rate: found["GRPO", 1, rate] for rate in RATES}
    best = min(grpo, key=lambda rate: grpo[rate][2])
    raising = [with_interval(waits(corner.only_raises, failures, rate, rows, steps, natural=True))
               for failures in crowds for rate in (0.01, 0.1)]  # fmt: skip
    loop = with_interval(loop_waits(best, *run.pick((700, 90), (1000, 150), (10000, 400))))
    below = [f"{name}, F = {failures}, η = {rate:g}" for (name, failures, rate), (_, _, high) in found.items()
             if high < least]  # fmt: skip
    return Finding(
        f"At p = 0.003, G = 8, δ = 0.1 the bound is {least:.1f} steps. GRPO with one failing answer needs "
        f"{_steps(grpo[RATES[0]])} at η = 0.4 and {_steps(grpo[best])} at η = {best:g}; its positive weights alone "
        f"{_steps(found['only its positive weights', 1, best])}; GRAO {_steps(found['GRAO', 1, best])}. Intervals "
        f"of 99.9 % below the bound: {'; '.join(below) or 'none'}.",
        holds=[
            Check(what="|steps of no update − bound|, F = 1", measured=abs(frozen[0] - least), test="<",
                  limit=max(frozen[2] - frozen[1], 1.0), control="− the bound for δ = 0.01",
                  control_measured=abs(frozen[0] - bound(delta=0.01))),
            Check(what="lowest upper end of the interval over the bound, only positive weights, natural gradient",
                  measured=min(min(high, 1e6) for _, _, high in raising) / least, test=">", limit=1.0,
                  control="GRPO, which lowers failures", control_measured=grpo[best][2] / least),
            Check(what=f"upper end of GRPO's interval over the bound, one failing answer, η = {best:g}, the loop",
                  measured=loop[2] / least, test="<", limit=1.0,
                  control="no update", control_measured=frozen[2] / least),
        ],
        numbers={f"steps and 99.9 % interval, {name}, F = {failures}, η = {rate:g}": value
                 for (name, failures, rate), value in found.items()}
        | {"bound": least, "steps, only positive weights, natural gradient": tuple(middle for middle, *_ in raising),
           f"steps and 99.9 % interval, GRPO in the loop, F = 1, η = {best:g}": loop},
    )  # fmt: skip


def _steps(found: tuple[float, float, float]) -> str:
    return "{:.0f} [{:.0f}, {:.0f}]".format(*found)
