"""thm-3 and claim-9: groups whose samples all earn the same."""

from dataclasses import replace
from math import sqrt

import numpy as np
import torch

from grao_ref import group_advantages
from grao_ref.equations.grpo import grpo_advantages
from theory.exact import ExactBandit
from theory.family import by_autograd, group
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


@claim(
    "thm-3",
    "A group of equal rewards teaches nothing in `outputs`; with the reference pooled it pulls at full strength.",
)
def thm_3(run: Run) -> Finding:
    """All G rewards equal: σ = 0 in `outputs`, every Â = 0 (and GRPO's). With R(y) = R + d in the pool: μ = R + d/P,
    σ = |d| √G / P, so Â_y = sgn(d) √G and Â_oi = −sgn(d) / √G, whatever d is. P(dead) = p^G + (1−p)^G for success
    rate p, and p^G alone where a reference that succeeds is pooled. Queries to the first signal: G / (1 − P(dead)).
    By hand, G = 2: two failures (0, 0) and R(y) = 1 give Â = (−1/√2, −1/√2) and Â_y = √2.
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
        f"At p = 0.001 GRPO waits {grpo:.0f} reward queries for its first signal, GRAO {grao:.0f}. "
        "That first signal is "
        "the reference's alone: it says nothing of which samples are better, for they are equal. So this is the whole "
        "case for sample efficiency only where the reference is worth being imitated (exp-map).",
        holds=[
            Check("P(dead) by enumeration − (p^G + (1−p)^G)", error, "<", 1e-12, "(1−p)^G alone, at p = ½",
                  dead(0.5, G, "outputs") - 0.5**G),
            Check("P(dead), reference pooled − p^G", rescued_error, "<", 1e-12, "in `outputs`, at p = ½",
                  dead(0.5, G, "outputs") - 0.5**G),
            Check("|Â_y − √G| + |Â_oi + 1/√G| with R(y) ahead by 0.001",
                  abs(A_y.item() - sqrt(G)) + (A_o + 1 / sqrt(G)).abs().max().item(), "<", 1e-9,
                  "of a group with one success", _one_success()),
            Check("sampled queries to the first GRPO signal − exact, in standard errors, p = 0.02",
                  abs(mean - exact) / deviation, "<", 4.5, "the exact number with a rescue",
                  abs(mean - queries(0.02, G, True)) / deviation),
        ],
        numbers={f"queries to the first signal, p = {p:g}, {name}": queries(p, G, name == "GRAO")
                 for p in (0.001, 0.01, 0.1, 0.5) for name in ("GRPO", "GRAO")},
        figures=["thm-3"],
    )  # fmt: skip


def _one_success() -> float:
    rewards = torch.zeros(1, G).double()
    rewards[0, 0] = 1
    A_o, A_y = group_advantages(rewards, torch.ones(1).double())
    return abs(A_y.item() - sqrt(G)) + (A_o + 1 / sqrt(G)).abs().max().item()


def pull(pool: str, reference: float, p: float = 1e-9, only_when_ahead: bool = False) -> float:
    """‖F‖ of eq-3 where the policy fails but for a share p: rewards 1 and 0, and y, of reward `reference`, as rare."""
    bandit = ExactBandit(np.array([1.0, reference, 0.0]), 1, G, pool=pool, only_when_ahead=only_when_ahead)
    return float(np.linalg.norm(bandit.update(np.log([p, p, 1 - 2 * p]))))


def _repaired(pool: str) -> float:
    return pull(pool, 0.5, only_when_ahead=True)


def heard(name: str, critic: float = 0.0) -> float:
    """Σ |w| that a method puts on eight failures, whose critic expects this much reward of them."""
    w_o, _ = by_autograd(name, replace(group([0.0] * G, 0.5, 0.1), value=critic))
    return float(w_o.abs().sum())


@claim("claim-9", "Learning goes on where all samples fail, unlike GRPO and PPO, which discard such queries.")
def claim_9(run: Run) -> Finding:
    """True in `with_reference` for a reference that beats the failures, by however little: ‖F‖ -> (β + λ/G) √(2G).
    Not in `outputs`, eq-4 read literally, where σ = 0 and nothing is given; nor for a reference that fails too. And
    PPO discards no such query: its weight on a failure is (0 − V)/G, which is silent only once its critic expects 0.
    """
    full = (0.5 + 0.6 / G) * sqrt(2 * G)
    return Finding(
        "It is what decides between the two readings of eq-4. The strength does not depend on how much better the "
        "reference is: 0.001 pulls like 1. Of the two that are said to discard such queries GRPO does, PPO doesn't "
        "while its critic expects more than the failures got.",
        holds=[
            Check("‖F‖ / its limit, all samples fail, reference pooled", pull("with_reference", 0.5) / full, ">", 0.999,
                  "in `outputs`", pull("outputs", 0.5) / full),
            Check("‖F‖ / its limit with the repair", _repaired("with_reference") / full, ">", 0.999,
                  "in `outputs` with the repair", _repaired("outputs") / full),
            Check("‖F‖ / its limit, R(y) ahead by 0.001", pull("with_reference", 0.001) / full, ">", 0.999,
                  "R(y) not ahead", pull("with_reference", 0.0) / full),
            Check("Σ |w| of GRPO on eight failures", heard("GRPO"), "<", 1e-12, "PPO, critic expects 0.2",
                  heard("PPO", 0.2)),
        ],
        fails=[
            Check("‖F‖ in `outputs`, all samples fail", pull("outputs", 0.5), "<", 1e-6, "reference pooled",
                  pull("with_reference", 0.5)),
            Check("‖F‖ where the reference fails as well, reference pooled", pull("with_reference", 0.0), "<", 1e-6,
                  "where it does not", pull("with_reference", 0.5)),
            Check("Σ |w| of PPO on eight failures, critic expects 0.2", heard("PPO", 0.2), ">", 0.1,
                  "critic expects 0", heard("PPO", 0.0)),
        ],
    )  # fmt: skip
