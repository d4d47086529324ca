"""thm-6: a group-normalised step that lowers the expected reward."""

from fractions import Fraction
from typing import Any

import numpy as np
import torch

from theory import runs
from theory.alignment import NEAR, START, alignment, fixed_policy, grid, natural_alignment
from theory.claims.thm_5 import closed_form
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

HAND = (Fraction(5, 25), Fraction(19, 25), Fraction(1, 25)), (Fraction(1), Fraction(99, 100), Fraction(0))
EDGE, LARGE = [2, 3, 8, 32, 128], 512
PAPER: dict[str, Any] = {"pool": "with_reference", "beta": 0.5, "lam": 0.6}
READINGS: dict[str, dict[str, Any]] = {
    "as printed": PAPER,
    "repaired": PAPER | {"only_when_ahead": True},
    "outputs": PAPER | {"pool": "outputs"},
}


def by_hand(pi: tuple[Fraction, ...], rewards: tuple[Fraction, ...]) -> Fraction:
    """⟨F, ∇V⟩ of GRPO with G = 2 in exact fractions: f_a = P(lower) − P(higher), for Â = ±1 where rewards differ."""
    value = sum(p * r for p, r in zip(pi, rewards, strict=True))
    total = Fraction(0)
    for p, r in zip(pi, rewards, strict=True):
        f = sum((q if s < r else -q if s > r else 0) for q, s in zip(pi, rewards, strict=True))
        total += p * p * f * (r - value)
    return total


def worst(
    actions: int, size: int, middle: tuple[float, ...], points: int, natural: bool = False, **settings: Any
) -> float:
    """Lowest ⟨F, ∇V⟩ / (‖F‖ ‖∇V‖) over a grid of policies and middle rewards; rewards 1, middle…, 0."""
    lowest, measure = np.inf, natural_alignment if natural else alignment
    defaults: dict[str, Any] = {"beta": 0.0, "lam": 0.0, "pool": "outputs"}
    for inner in middle if actions > 2 else (0.0,):
        rewards = np.array([1.0, *[inner] * (actions - 2), 0.0])
        bandit = ExactBandit(rewards, 0, size, **(defaults | settings))
        for pi in grid(actions, points):
            update, gradient = bandit.update(np.log(pi)), bandit.gradient(np.log(pi))
            scale = float(np.linalg.norm(update) * np.linalg.norm(gradient))
            if scale > 1e-14:
                lowest = min(lowest, measure(bandit, pi) / (1.0 if natural else scale))
    return float(lowest)


def near_the_edge(size: int, best: float) -> tuple[float, float]:
    """⟨F, ∇V⟩ / ε where the worst has mass ε = 10⁻³/G and the gap is 10⁻³ ε, GRPO; and the proof's c (π_b − π_m)."""
    rare = 1e-3 / size
    pi, rewards = np.array([best, 1 - best - rare, rare]), np.array([1.0, 1 - 1e-3 * rare, 0.0])
    found = alignment(ExactBandit(rewards, 0, size, 0.0, 0.0, "outputs"), pi)
    p = best / (1 - rare)
    return found / rare, closed_form(p, size) * p * (1 - p) * (pi[0] - pi[1])


def flow(bandit: ExactBandit, pi: Array, steps: int, rate: float = 0.2) -> Array:
    """V along the exact recursion θ + η F."""
    theta, values = np.log(pi), []
    for _ in range(steps):
        values.append(bandit.value(theta))
        theta = theta + rate * bandit.update(theta)
    return np.array(values)


def share_of_losses(size: int, rows: int, pi: Array, rewards: Array) -> tuple[float, float]:
    """One sampled GRPO step of the loop (learning rate 0.2): mean change of V, and its standard error."""
    reward, logits = runs.start(torch.tensor(rewards), pi.tolist(), rows)
    config = runs.settings(method="grpo", num_generations=size, max_steps=1)
    before, after = runs.values(reward, 0, logits, config)
    change = after - before
    return change.mean().item(), change.std().item() / rows**0.5


Edge = dict[int, tuple[tuple[float, float], tuple[float, float]]]  # for each G, π_b = 1/4 and 3/4: `near_the_edge`


def _at_the_edge(edge: Edge) -> list[Check]:
    """The proof's expansion, at every G; and that it is of finite groups."""
    return [
        Check(what="largest over G of ⟨F, ∇V⟩ / ε, the worst's mass ε = 10⁻³/G, π_b = 1/4, π_m = 3/4 − ε",
              measured=max(less[0] for less, _ in edge.values()), test="<", limit=-0.05,
              control="π_b = 3/4", control_measured=max(more[0] for _, more in edge.values())),
        Check(what="largest |⟨F, ∇V⟩ / (c ε (π_b − π_m)) − 1| there",
              measured=max(abs(a / b - 1) for both in edge.values() for a, b in both), test="<", limit=0.02,
              control="with c of G = 2 for every G", control_measured=abs(edge[32][0][0] / edge[2][0][1] - 1)),
        Check(what=f"⟨F, ∇V⟩ at one policy, G = {LARGE}: the effect is of finite groups",
              measured=fixed_policy(LARGE), test=">", limit=0.0,
              control="G = 8", control_measured=fixed_policy(8)),
    ]  # fmt: skip


@claim(
    "thm-6",
    "There are bandits where the expected GRPO and GRAO step lowers the expected reward.",
    topic="convergence",
    answer={
        "holds": "Yes: with three answers there are cases where the average step of GRPO or GRAO lowers the expected "
        "reward, a little and for a time."
    },
)
def thm_6(run: Run) -> Finding:
    """F_a = π_a f(R_a) with f(r) = E[Â_1 | R_1 = r], increasing in r, so ⟨F, ∇V⟩ = Σ π_a² f_a (R_a − V). With two
    rewards f and R − V have the same sign: >= 0. With three, let the middle one be near the best (R_m -> 1) and
    likely, and the worst be rare: then R_m > V, yet most groups hold only best and middle answers, in which the
    middle one is below average, so f_m < 0. F then moves logit from the middle to the best in equal measure. The
    middle has more mass than the best, so the mass it loses goes partly to the worst. K = 3 is enough, at any finite
    G: let the worst have mass ε and R_b − R_m = δ ≪ ε. Then R_b − V and R_m − V are ε + O(δ), and at ε -> 0 the
    groups hold best and middle answers alone, whose advantages do not feel δ: with p = π_b / (π_b + π_m) they are
    those of binary rewards, for which π_b f_b = −π_m f_m = E[σ_r] =: c > 0 (thm-5; c depends on G and p). The worst's
    own part is π_w² f_w (R_w − V) = O(ε²). So ⟨F, ∇V⟩ = ε (π_b² f_b + π_m² f_m) + O(ε²) = c ε (π_b − π_m) + O(ε² +
    δ), negative for π_m > π_b and small ε. How small depends on G: groups must hardly ever hold a worst answer, ε ≪
    1/G. At a fixed policy F -> ∇V/σ as G -> ∞, and the effect is gone. By hand, G = 2: π = (0.2, 0.76, 0.04) and R =
    (1, 0.99, 0) give f = (0.8, −0.16, −0.96), V = 0.9524, and Σ π² f (R − V) = 0.00152 − 0.00347 + 0.00146 =
    −0.00049. In the natural geometry Σ F_a (R_a − V) = Cov_π(f, R) >= 0 for GRPO, by Chebyshev.
    """
    points, middle = run.pick(5, 6, 16), run.pick((0.999,), (0.9, 0.99, 0.999), (0.3, 0.5, 0.9, 0.99, 0.999))
    exact, pi_hand = by_hand(*HAND), HAND[0]
    pi, rewards = (np.array(each, dtype=float) for each in HAND)
    two, three = (alignment(ExactBandit(rewards, 0, size, 0.0, 0.0, "outputs"), pi) for size in (2, 3))
    sizes = run.pick([2, 8], [2, 4, 8, 16], [2, 4, 8, 16, 32])
    by_size = {size: worst(3, size, middle, points) for size in sizes}
    grao = {name: worst(3, 8, middle, points, **change) for name, change in READINGS.items()}
    natural = {name: worst(3, 4, middle, points, natural=True, **change) for name, change in READINGS.items()}
    edge = {size: (near_the_edge(size, 0.25), near_the_edge(size, 0.75)) for size in run.pick([2, 8, 32], EDGE, EDGE)}
    path = flow(ExactBandit(NEAR, 0, 8, 0.0, 0.0, "outputs"), START, run.pick(100, 400, 1000))
    plain = ExactBandit(NEAR, 0, 8, 0.0, 0.0, "outputs", normalised=False)
    mean, error = share_of_losses(8, run.pick(2000, 20000, 10**6), START, NEAR)
    _draw(run, path, flow(plain, START, len(path)))
    return Finding(
        f"Three answers are enough at every finite G, two never. Lowest cosine: {min(by_size.values()):.2f}. V falls "
        f"along the flow, {path[0]:.4f} -> {path.min():.4f}, little and for a time: probability moves from a near-best "
        "answer to the best, and the worst gains too. Without the deviation (F ∝ ∇V) it cannot happen.",
        holds=[
            Check(what="⟨F, ∇V⟩ by hand, exact fractions, K = 3, G = 2", measured=float(exact), test="<", limit=0.0,
                  control="middle reward 0 (binary)",
                  control_measured=float(by_hand(pi_hand, (Fraction(1), Fraction(0), Fraction(0))))),
            Check(what="|by hand − enumeration|", measured=abs(float(exact) - two), test="<", limit=1e-15,
                  control="enumeration with G = 3", control_measured=abs(float(exact) - three)),
            Check(what="largest over G of the lowest cosine, K = 3",
                  measured=max(by_size.values()), test="<", limit=-0.05,
                  control="K = 2: none", control_measured=worst(2, 2, middle, points)),
            *_at_the_edge(edge),
            Check(what="largest over readings of GRAO's lowest cosine, K = 3, G = 8",
                  measured=max(grao.values()), test="<", limit=-0.05,
                  control="without the deviation, GRPO",
                  control_measured=worst(3, 8, middle, points, normalised=False)),
            Check(what="V at its lowest on the exact flow, against the start",
                  measured=float(path.min() - path[0]), test="<", limit=-1e-4,
                  control="the same without the deviation",
                  control_measured=float(flow(plain, START, len(path)).min() - path[0])),
            Check(what="mean change of V in one sampled step of the loop, in standard errors",
                  measured=mean / error, test="<", limit=-4.5,
                  control="binary rewards", control_measured=_binary_change(run)),
            Check(what="lowest Σ F_a (R_a − V), natural geometry, GRPO",
                  measured=worst(3, 4, middle, points, natural=True), test=">", limit=-1e-12,
                  control="lowest cosine in θ", control_measured=by_size[sizes[0]]),
        ],
        numbers=_numbers(by_size, grao, natural, edge) | {"lowest cosine, K = 2": worst(2, 8, middle, points)},
        figures={"thm-6": ALT},
    )  # fmt: skip


def _binary_change(run: Run) -> float:
    mean, error = share_of_losses(8, run.pick(2000, 20000, 10**6), START, np.array([1.0, 0, 0]))
    return mean / error


ALT = (
    "Two panels. A wedge of policies, with rare best and rarer worst answers, where the expected step lowers the "
    "reward. The reward along the steps of GRPO dips before it rises; without the deviation it only rises."
)


def _draw(run: Run, path: Array, plain: Array) -> None:
    with figure(run, "thm-6", columns=2) as axes:
        if axes is None:
            return
        side = np.geomspace(1e-3, 1, run.pick(10, 50, 100))
        for size, colour in ((2, "#D55E00"), (8, "#0072B2")):
            bandit = ExactBandit(np.array([1.0, 0.95, 0.0]), 0, size, 0.0, 0.0, "outputs")
            table = [[alignment(bandit, np.array([h, 1, low]) / (h + 1 + low)) for h in side] for low in side]
            axes[0].contourf(side, side, np.array(table) < 0, levels=[0.5, 1], colors=[colour], alpha=0.35)
            axes[0].plot([], [], color=colour, linewidth=6, alpha=0.35, label=f"G = {size}: the step lowers V")
        axes[0].set(xscale="log", yscale="log", xlabel="π(best) / π(middle)", ylabel="π(worst) / π(middle)")
        axes[0].set_title("rewards 1, 0.95, 0", fontsize=9)
        axes[1].plot(path, label="GRPO, expected step")
        axes[1].plot(plain, label="without the deviation")
        axes[1].set(xlabel="step", ylabel="V", xscale="symlog")
        axes[1].set_title("rewards 1, 0.999, 0; G = 8", fontsize=9)


def _numbers(
    by_size: dict[int, float], grao: dict[str, float], natural: dict[str, float], edge: Edge
) -> dict[str, float | tuple[float, ...]]:
    numbers: dict[str, float | tuple[float, ...]] = {
        f"lowest cosine, GRPO, K = 3, G = {size}": value for size, value in by_size.items()
    }
    numbers |= {f"lowest cosine, GRAO {name}, y the best, G = 8": value for name, value in grao.items()}
    numbers |= {f"lowest natural ⟨F, ∇V⟩, GRAO {name}": value for name, value in natural.items()}
    for size, (less, _) in edge.items():
        numbers[f"⟨F, ∇V⟩ / ε at the edge, and the proof's, GRPO, G = {size}"] = less
    return numbers
