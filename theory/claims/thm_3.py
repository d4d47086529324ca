"""thm-3: groups whose samples all have the same reward."""

from math import sqrt

import numpy as np
import torch

from grao_ref import group_advantages
from grao_ref.equations.grpo import grpo_advantages
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

G = 8


def logit(p: float) -> Array:
    """Logits of a policy over (success, failure) with success rate p."""
    return np.log([p, 1 - p])


def dead(p: float, size: int, pool: str) -> float:
    """P(every advantage of a group is 0) for success rate p and a reference that succeeds, by enumeration."""
    bandit = ExactBandit(np.array([1.0, 0.0]), 0, size, pool=pool)
    counts, A_o, A_y, *_ = bandit.groups()
    silent = ~(((counts > 0) & (A_o != 0)).any(1) | (A_y != 0))
    return bandit.expectation(logit(p), silent.astype(float))


def queries(p: float, size: int, rescued: bool) -> float:
    """Expected reward queries until the first group that teaches anything: G over its probability."""
    alive = 1 - p**size - (0 if rescued else (1 - p) ** size)
    return size / alive


def sampled_queries(p: float, rescued: bool, seeds: int) -> tuple[float, float]:
    """The same by sampling groups through the package, until each of `seeds` runs has had its signal: mean, error."""
    rng = torch.Generator().manual_seed(0)
    waits, open_ = torch.zeros(seeds), torch.ones(seeds, dtype=torch.bool)
    while open_.any():
        rewards = (torch.rand(seeds, G, generator=rng) < p).double()
        if rescued:
            A_o, A_y = group_advantages(rewards, torch.ones(seeds, dtype=torch.float64))
            signal = A_o.any(-1) | (A_y != 0)
        else:
            signal = grpo_advantages(rewards).any(-1)
        waits += G * open_
        open_ &= ~signal
    return waits.mean().item(), waits.std().item() / sqrt(seeds)


ALT = (
    "Reward queries until the first signal against the success rate, on logarithmic axes: GRPO's lines rise as "
    "success becomes rare; GRAO's, with the reference pooled, is flat."
)


@claim(
    "thm-3",
    "A group of equal rewards has no gradient in `outputs`; with the reference pooled it has one of full size.",
    topic="advantages and groups",
    answer={
        "holds": "Yes: samples of equal reward teach nothing by themselves; a reference with another reward in their "
        "statistics gives a gradient of full size, which comes from it alone."
    },
)
def thm_3(run: Run) -> Finding:
    """If all G rewards are equal, σ = 0 in `outputs` and every Â = 0 (and GRPO's). With R(y) = R + d in the pool: μ = R
    + d/P, σ = |d| √G / P, so Â_y = sgn(d) √G and Â_oi = −sgn(d) / √G, whatever d is. P(dead) = p^G + (1−p)^G for
    success rate p, and p^G alone where a reference that succeeds is pooled. The expected queries to the first signal
    are G / (1 − P(dead)). By hand, G = 2: two failures (0, 0) and R(y) = 1 give Â = (−1/√2, −1/√2) and Â_y = √2.
    """
    rates = np.geomspace(1e-3, 0.5, run.pick(3, 12, 30))
    error = max(abs(dead(p, G, "outputs") - p**G - (1 - p) ** G) for p in rates)
    rescued_error = max(abs(dead(p, G, "with_reference") - p**G) for p in rates)
    A_o, A_y = group_advantages(torch.zeros(1, G).double(), torch.tensor([1e-3]).double())
    seeds = run.pick(500, 4000, 40000)
    (mean, deviation), exact = sampled_queries(0.02, False, seeds), queries(0.02, G, False)
    grpo, grao = queries(0.001, G, False), queries(0.001, G, True)
    with figure(run, "thm-3") as axes:
        if axes is not None:
            for size in (4, 8, 16):
                axes.loglog(rates, [queries(p, size, False) for p in rates], label=f"GRPO, G = {size}")
            axes.loglog(rates, [queries(p, G, True) for p in rates], "k--", label="GRAO, reference pooled, G = 8")
            axes.set(xlabel="success rate p", ylabel="reward queries to the first signal")
    return Finding(
        f"At p = 0.001 GRPO waits {grpo:.0f} reward queries for its first signal, GRAO {grao:.0f}. That first signal "
        "comes from the reference alone: it does not show which samples are better, because they are equal. So it "
        "saves samples only where imitating the reference helps (exp-map).",
        holds=[
            Check(what="P(dead) by enumeration − (p^G + (1−p)^G)", measured=error, test="<", limit=1e-12,
                  control="(1−p)^G alone, at p = ½", control_measured=dead(0.5, G, "outputs") - 0.5**G),
            Check(what="P(dead), reference pooled − p^G", measured=rescued_error, test="<", limit=1e-12,
                  control="in `outputs`, at p = ½", control_measured=dead(0.5, G, "outputs") - 0.5**G),
            Check(what="|Â_y − √G| + |Â_oi + 1/√G| with R(y) ahead by 0.001",
                  measured=abs(A_y.item() - sqrt(G)) + (A_o + 1 / sqrt(G)).abs().max().item(), test="<", limit=1e-9,
                  control="of a group with one success", control_measured=_one_success()),
            Check(what="sampled queries to the first GRPO signal − exact, in standard errors, p = 0.02",
                  measured=abs(mean - exact) / deviation, test="<", limit=4.5,
                  control="the exact number with a rescue",
                  control_measured=abs(mean - queries(0.02, G, True)) / deviation),
        ],
        numbers={f"queries to the first signal, p = {p:g}, {name}": queries(p, G, name == "GRAO")
                 for p in (0.001, 0.01, 0.1, 0.5) for name in ("GRPO", "GRAO")},
        figures={"thm-3": ALT},
    )  # fmt: skip


def _one_success() -> float:
    rewards = torch.zeros(1, G).double()
    rewards[0, 0] = 1
    A_o, A_y = group_advantages(rewards, torch.ones(1).double())
    return abs(A_y.item() - sqrt(G)) + (A_o + 1 / sqrt(G)).abs().max().item()
