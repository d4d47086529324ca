"""exp-rewards: several rewards, normalised after they are summed or before."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim
from theory.multi import AFTER, BEFORE, multi, multi_advantages
from theory.rules import climb, every_group, field, probability

ORDERS = (AFTER, BEFORE)
SCALE = torch.tensor([10.0, 1.0], dtype=torch.float64)
TABLES = {
    "front bulges out": [[1, 0], [0.92, 0.4], [0.71, 0.71], [0.4, 0.92], [0, 1], [0.3, 0.3], [0, 0]],
    "front is dented": [[1, 0], [0.6, 0.25], [0.4, 0.4], [0.25, 0.6], [0, 1], [0.2, 0.2], [0, 0]],
}
MIDDLE, SWEEP = 2, [step / 20 for step in range(21)]
M = 4  # samples of a group where noise is computed


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A policy (1, 4), two rewards of each answer (4, 2) and their weights (2,), at random."""
    rng = np.random.default_rng(seed)
    parts = rng.dirichlet(np.ones(4)), rng.random((4, 2)), rng.dirichlet(np.ones(2))
    pi, table, weights = (torch.from_numpy(each) for each in parts)
    return pi[None], table, weights


def turned(order: str, draws: int) -> float:
    """Largest change of the unit direction of F when the first reward is measured in units a tenth as large."""
    changes = []
    for seed in range(draws):
        pi, table, weights = drawn(seed)
        one, other = (field(multi(each, weights, order), pi, M)[0] for each in (table, table * SCALE))
        changes.append(float((one / one.norm() - other / other.norm()).norm()))
    return max(changes)


def correlation(rewards: Tensor, weights: Tensor) -> Tensor:
    """wᵀ Ĉ w of each group (N, M, L), Ĉ the rewards' correlation in it, 0 for a reward that is the same for all."""
    return multi_advantages(rewards, rewards, weights, BEFORE).square().mean(-1)


def noise(seed: int, own_score: bool, scale: float = 1.0) -> float:
    """E‖ĝ − E ĝ‖² of 1/m Σ_j Â_j s_j over (τ²/m) E[wᵀ Ĉ w], τ² = E‖s‖², normalised before summing, by enumeration.

    The score s is the policy's own, e_o − π; or ±1 by a fair coin, whatever the answer is. `scale`: of τ², a control.
    """
    pi, table, weights = drawn(seed)
    scores = torch.eye(4, dtype=torch.float64) - pi
    if not own_score:  # an answer and a coin: eight outcomes
        pi, table = pi.repeat(1, 2) / 2, table.repeat(2, 1)
        scores = torch.tensor([[1.0]] * 4 + [[-1.0]] * 4, dtype=torch.float64)
    ids, ways = every_group(len(table), M)
    chance = probability(ids, ways, pi)[0]
    A = multi_advantages(table[ids], table[ids], weights, BEFORE)
    g = (A[..., None] * scores[ids]).mean(1)
    mean = chance @ g
    variance = float(chance @ g.square().sum(-1) - mean.square().sum())
    tau = scale * float(pi[0] @ scores.square().sum(-1))
    return variance / (tau / M * float(chance @ correlation(table[ids], weights)))


@cache
def front(size: str) -> dict[tuple[str, str, bool, bool], Array]:
    """For each table, order, whether the first reward has units a tenth as large, and whether y is there (repaired
    GRAO, the middle answer): both expected rewards and π of the middle answer at the end, by weight, means of seeds:
    (W, 3).
    """
    seeds, steps = {"quick": (30, 60), "default": (100, 120), "full": (1000, 240)}[size]
    weights = torch.tensor([[w, 1 - w] for w in SWEEP], dtype=torch.float64).repeat_interleave(seeds, 0)
    found = {}
    for name, rows in TABLES.items():
        table = torch.tensor(rows, dtype=torch.float64)
        start = torch.full((len(weights), len(table)), 1 / len(table), dtype=torch.float64)
        for order in ORDERS:
            for scaled, with_y in ((False, False), (True, False), (False, True)):
                rule = multi(table * SCALE if scaled else table, weights, order, MIDDLE if with_y else None)
                *_, pi = climb(rule, start, [0.8], steps)
                ends = torch.cat([pi[0] @ table, pi[0][:, MIDDLE : MIDDLE + 1]], -1)
                found[name, order, scaled, with_y] = ends.view(len(SWEEP), seeds, 3).mean(1).numpy()
    return found


@claim(
    "exp-rewards",
    "Normalising each reward before they are summed restores their weights, at a known price in noise.",
    topic="the paper's future work",
    answer={
        "holds under conditions": "It restores the weights, whatever the rewards' units; the stated price in noise "
        "isn't right for a policy's samples, and some trade-offs stay out of reach."
    },
)
def exp_rewards(run: Run) -> Finding:
    """Two rewards with weights w. After summing: Â of wᵀr (GRPO); before: Σ_l w_l Â_l (GDPO, MO-GRPO). The second does
    not change under r_l -> a r_l + c with a > 0, exactly; the first does, and with a large unit it is the field of
    that reward alone, but in the groups that tie in it, where the other decides. The package multireward-grpo states
    that the second has a gradient error of (τ²/m) wᵀCw, a floor, with C the rewards' correlation and τ² the score's
    variance, and tests it with scores drawn apart from the rewards. Then it is an identity with the group's own Ĉ:
    E[ĝ²] = 1/m² Σ_j E[Â_j²] τ², and 1/m Σ_j Â_j² = wᵀĈw in every group. In a policy the score, e_o − π, belongs to the
    answer, and so does the reward. Both are enumerated for m = 4 on random policies of four answers. Fronts: seven
    answers, five of them undominated, 21 weights, start uniform, rate 0.8, 100 seeds.
    """
    draws = run.pick(20, 200, 1000)
    own = [noise(seed, True) for seed in range(draws)]
    apart = [noise(seed, False) for seed in range(run.pick(5, 30, 100))]
    found = front(run.size)
    bulge, dent = TABLES
    _draw(run, found)
    beyond = max(float(found[dent, order, False, with_y][:, 2].max()) for order in ORDERS for with_y in (False, True))
    on_bulge = min(float(found[bulge, order, False, True][:, 2].max()) for order in ORDERS)
    kept = {order: float((found[bulge, order, True, False][:, 0] < 0.5).mean()) for order in ORDERS}
    return Finding(
        "The weights are restored: units don't matter. With the first reward's unit a tenth as large, runs end nearer "
        f"to the second reward at {kept[BEFORE]:.0%} of the 21 weights (normalised after summing: {kept[AFTER]:.0%}). "
        f"The stated error is right where scores are drawn apart from rewards, and for the group's own correlation. In "
        f"a policy it is neither equal nor a floor: the exact error is {min(own):.2f} to {max(own):.2f} times it "
        f"(median {np.median(own):.2f}) on {draws} random policies. Nor does either order reach more of the front: "
        f"an answer in a dent is never the best of a weighted sum in any group; at no weight has it more than "
        f"{beyond:.2f}, and as GRAO's reference no more: samples on both sides of it are above it, and it is "
        "no longer imitated. On a front that bulges out it is reached, with y or without: "
        f"{on_bulge:.2f} at its weight.",
        holds=[Check(what="largest turn of F's direction with the unit of one reward, normalised before summing",
                     measured=turned(BEFORE, run.pick(5, 30, 100)), test="<", limit=1e-9,
                     control="after summing", control_measured=turned(AFTER, run.pick(5, 30, 100))),
               Check(what="largest |error / ((τ²/m) E[wᵀĈw]) − 1|, scores drawn apart from the rewards",
                     measured=max(abs(each - 1) for each in apart), test="<", limit=1e-9,
                     control="τ² 1 % too large", control_measured=abs(noise(0, False, 1.01) - 1))],
        fails=[Check(what="smallest error / ((τ²/m) E[wᵀĈw]) of a policy", measured=min(own), test="<", limit=0.9,
                     control="scores drawn apart from the rewards", control_measured=min(apart)),
               Check(what="largest π of the answer in the dent, any weight, order, with y or without",
                     measured=beyond, test="<", limit=0.3,
                     control="the same answer where the front bulges out", control_measured=on_bulge)],
        numbers={f"{name}, normalised {order}, {'unit a tenth, ' * scaled}{'with y' if with_y else 'no y'}: π of the "
                 "middle answer at weights 0, 0.05 … 1": tuple(map(float, rows[:, 2]))
                 for (name, order, scaled, with_y), rows in found.items()},
        figures={"exp-rewards": ALT},
    )  # fmt: skip


ALT = (
    "Mean of two rewards at the end of runs with many weights, two panels. On a front that bulges out, runs end "
    "along it; on a dented front, none ends at the answer in the dent."
)


def _draw(run: Run, found: dict[tuple[str, str, bool, bool], Array]) -> None:
    with figure(run, "exp-rewards", columns=2, legend="upper right") as axes:
        if axes is None:
            return
        for each, (name, rows) in zip(axes, TABLES.items(), strict=True):
            each.plot(*np.array(rows).T, "k.", ms=4)
            for order, marker, size in ((AFTER, "o", 10), (BEFORE, "x", 7)):
                ends = found[name, order, False, False]
                each.plot(ends[:, 0], ends[:, 1], marker, ms=size, fillstyle="none", label=order)
            ends = found[name, AFTER, True, False]
            each.plot(ends[:, 0], ends[:, 1], "s", ms=13, fillstyle="none", label="after, unit of reward 1 a tenth")
            ends = found[name, BEFORE, False, True]
            each.plot(ends[:, 0], ends[:, 1], "+", ms=9, label="before, y in the middle")
            each.set(xlabel="reward 1", ylabel="reward 2", title=name, xlim=(-0.08, 1.08), ylim=(-0.08, 1.6))
            each.set_yticks(np.linspace(0, 1, 6))  # above: the legend
