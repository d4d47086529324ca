"""thm-10: the reference's reward as the baseline, without a deviation."""

import numpy as np

from theory import corner
from theory.alignment import grid
from theory.exact import ExactBandit
from theory.groups import Array, advantages, compositions, probabilities
from theory.ledger import Check, Finding, Run, claim

DISTINCT, TIED = np.array([1.0, 0.5, 0.2, 0.0]), np.array([1.0, 0.5, 0.0, 0.0])  # y is the second answer
BASELINES = ("reference", "mean", "none")
ETA = 2 / 5  # Mei et al. 2020's step for rewards in [0, 1]


def moments(pi: Array, rewards: Array, size: int, baseline: str, reference: int = 1) -> tuple[Array, float]:
    """E[ĝ] and E‖ĝ‖², ĝ = 1/G Σ (R_i − b)(e_oi − π), by enumeration; "deviation": GRPO's (R_i − μ)/σ."""
    counts = compositions(size, len(pi))
    chance = probabilities(counts, np.log(pi))
    means = (counts @ rewards / size)[:, None]
    ahead = {"reference": rewards - rewards[reference], "mean": rewards - means, "none": rewards + 0 * means}
    if baseline == "deviation":
        levels, level = np.unique(rewards, return_inverse=True)
        at = np.stack([counts[:, level == each].sum(1) for each in range(len(levels))], 1)
        ahead["deviation"] = advantages(at, levels, 0.0, "outputs")[0][:, level]
    weights = counts * ahead[baseline] / size
    steps = weights - weights.sum(1, keepdims=True) * pi
    return chance @ steps, float(chance @ (steps**2).sum(1))


def bias(baseline: str, policies: list[Array]) -> float:
    """Largest |E[ĝ] − ∇V| over policies and G = 2, 5, 8."""
    return max(
        float(np.abs(moments(pi, DISTINCT, size, baseline)[0] - ExactBandit(DISTINCT, 1).gradient(np.log(pi))).max())
        for pi in policies
        for size in (2, 5, 8)
    )


def variance(pi: Array, rewards: Array, baseline: str) -> float:
    """tr Cov(ĝ), G = 8."""
    mean, square = moments(pi, rewards, 8, baseline)
    return square - float(mean @ mean)


def at_reference(failures: int) -> float:
    """tr Cov(ĝ) of the baseline R(y) over that of none, best and failures of 0.1 % each, y the rest."""
    rewards, pi = np.array([1.0, 0.5, *[0.0] * failures]), np.full(2 + failures, 1e-3)
    pi[1] = 1 - pi[0] * (1 + failures)
    return variance(pi, rewards, "reference") / variance(pi, rewards, "none")


def growth(rewards: Array, baseline: str) -> float:
    """Largest E‖ĝ‖²/‖∇V‖ over policies that reach to 10⁻⁶, over the same for those that reach to 10⁻³."""
    largest = []
    for low in (1e-3, 1e-6):
        sides = [np.array(each, dtype=float) for each in np.ndindex(3, 3, 3, 3)]
        policies = [low ** (each / 2) / (low ** (each / 2)).sum() for each in sides]
        gradients = [np.linalg.norm(pi * (rewards - pi @ rewards)) for pi in policies]
        ratios = [moments(pi, rewards, 8, baseline)[1] / size for pi, size in zip(policies, gradients, strict=True)]
        largest.append(max(ratios))
    return float(largest[1] / largest[0])


def curvature(rewards: Array, policies: list[Array]) -> float:
    """Largest |eigenvalue| of V's Hessian; G = 2 without the deviation is ∇V/2 (the mean's factor 1 − 1/G)."""
    field = ExactBandit(rewards, 1, 2, 0.0, 0.0, "outputs", normalised=False)
    return max(float(np.abs(np.linalg.eigvalsh(2 * _symmetric(field.jacobian(np.log(pi))))).max()) for pi in policies)


def lojasiewicz(policies: list[Array], factor: float = 0.0) -> float:
    """Lowest ‖∇V‖ / (π* (1 − V)); with `factor` 1 the bound is 1 − V, without π*."""
    ratios = []
    for pi in policies:
        value = pi @ TIED
        bound = pi[0] ** (1 - factor) * (1 - value)
        ratios.append(float(np.linalg.norm(pi * (TIED - value)) / bound))
    return min(ratios)


def rate(steps: int, power: int) -> float:
    """Largest (1 − V_t) c² t^power / 5 along exact ascent from the uniform policy, c the lowest π*."""
    theta, found, lowest = np.zeros(4), [], 1.0
    for t in range(1, steps + 1):
        pi = np.exp(theta - theta.max())
        pi /= pi.sum()
        lowest = min(lowest, float(pi[0]))
        theta = theta + ETA * pi * (TIED - pi @ TIED)
        found.append((1 - float(pi @ TIED)) * t**power / 5)
    return float(max(found) * lowest**2)


def exponent(rule: corner.Rule, failures: int, run: Run, natural: bool = False) -> float:
    """Minus the exponent of π(best) by step in the reference's corner (thm-8), best unseen."""
    rewards, steps = np.array([1.0, 0.5, *[0.0] * failures]), run.pick(800, 1000, 5000)
    logits = corner.in_corner(failures, failures, run.pick(200, 500, 2000))
    eta = 0.1 if natural else 0.4
    walk = corner.ascend(rule, rewards, logits, reference=1, rate=eta, steps=steps, natural=natural)
    return corner.slope(np.log([pi[:, 0] for pi, _ in walk]), steps // 5)[0]


@claim(
    "thm-10",
    "With R(y) as baseline and no deviation the expected step is ∇V for every G, and nothing locks in.",
    topic="the family and the race",
    answer={
        "holds under conditions": "With the reference's reward as the baseline the average step is the true gradient "
        "for every group size, but a model can still get stuck at its reference."
    },
)
def thm_10(run: Run) -> Finding:
    """w_i = (R_i − R(y))/G: the baseline does not depend on the group, so E[ĝ] = E[(R_1 − R(y))(e_o1 − π)] = ∇V, for
    every G. With the group's mean the factor is 1 − 1/G, with a deviation it is no gradient (thm-5). In expectation
    nothing locks in: V never falls (no thm-6), and exact ascent from any start converges. V is 5/2-smooth for rewards
    in [0, 1], so η = 2/5 adds at least ‖∇V‖²/5; ‖∇V‖ >= π* (V* − V), as that is one coordinate of it. With c = min π* >
    0 along the path the gap is at most 5/(c² t) (Mei et al. 2020, arXiv:2005.06392): all three hypotheses hold here.
    Sampled, one answer a step, R − R(y) is a bounded reward, so the theorems on plain REINFORCE apply at G = 1. Those
    of arXiv:2402.17235 (O(1/t), small constant steps) and arXiv:2502.07141 (any constant step) need rewards that all
    differ, by the account of Robertson et al. (NeurIPS 2025, openreview YzriuQGaNX). The first rests on noise that
    vanishes with progress, E‖ĝ‖² <= C ‖∇V‖, which fails where failures tie: near a policy on two equal failures ∇V ->
    0, but they get R − R(y) < 0, and E‖ĝ‖² does not vanish. With the group's mean it does vanish there. So neither
    covers the tables of exp-crowd. Robertson et al. allow ties: convergence almost surely for any constant step,
    without a rate. All are for G = 1; for larger G none is proved here. arXiv:2008.13773's suboptimal limits are
    natural gradient's, where a baseline below V commits the policy to what it samples; R(y) lies below V once the
    policy is better than y. R(y) is no rule against variance: near y's corner, R(y) = 1/2, the best and each failure
    equally likely, it is (1+F)/4 of that without a baseline. Sampled, something does lock in for long. A group of y's
    alone has weight 0, and what is better than y has a positive weight. But failures in a group lower themselves in
    favour of y, as with every rule of thm-8: π_best ∝ t^(−F/(F+1)) in y's corner, the same exponent as GRPO's.
    """
    policies = [*grid(4, 3)[:: run.pick(8, 2, 1)], np.full(4, 0.25)]
    grown = {(name, tied): growth(TIED if tied else DISTINCT, name)
              for name in ("reference", "mean") for tied in (False, True)}  # fmt: skip
    corners = {"uniform": np.full(4, 0.25), "y's corner": np.array([0.01, 0.97, 0.01, 0.01]),
               "the best's corner": np.array([0.97, 0.01, 0.01, 0.01])}  # fmt: skip
    spread = {(at, name): variance(pi, TIED, name) for at, pi in corners.items() for name in BASELINES}
    at_y = {failures: at_reference(failures) for failures in (2, 4)}
    locked, natural = exponent(corner.against_reference, 2, run), exponent(corner.grpo, 2, run, natural=True)
    return Finding(
        "The expected step is the gradient, so the O(1/t) of exact ascent applies, with every hypothesis checked. The "
        "sampled O(1/t) does not where failures tie: the growth condition's constant rises "
        f"{grown['reference', True]:.0f} times from policies that reach to 10⁻³ to those that "
        "reach to 10⁻⁶; with distinct rewards it does not, nor "
        f"with the group's mean. And there is a lock-in: exponent {locked:.2f} for F = 2, as in thm-8.",
        holds=[
            Check(what="largest |E[ĝ] − ∇V|, baseline R(y), G = 2, 5, 8", measured=bias("reference", policies),
                  test="<", limit=1e-14, control="the group's mean", control_measured=bias("mean", policies)),
            Check(what="largest |eigenvalue| of V's Hessian, rewards in [0, 1]", measured=curvature(TIED, policies),
                  test="<", limit=2.5, control="rewards times 100", control_measured=curvature(100 * TIED, policies)),
            Check(what="lowest ‖∇V‖ / (π* (V* − V))", measured=lojasiewicz(policies), test=">", limit=1.0,
                  control="without π*", control_measured=lojasiewicz(policies, 1.0)),
            Check(what="largest (V* − V_t) c² t / 5 of exact ascent", measured=rate(run.pick(2000, 10**4, 10**5), 1),
                  test="<", limit=1.0, control="with t²", control_measured=rate(run.pick(2000, 10**4, 10**5), 2)),
            Check(what="growth of sup E‖ĝ‖²/‖∇V‖ towards the faces, distinct rewards, baseline R(y)",
                  measured=grown["reference", False], test="<", limit=2.0,
                  control="two failures tie", control_measured=grown["reference", True]),
            Check(what="the same with the group's mean, two failures tie", measured=grown["mean", True],
                  test="<", limit=2.0, control="baseline R(y)", control_measured=grown["reference", True]),
            Check(what="variance at y's corner, baseline R(y) over none, F = 2", measured=at_y[2], test="<", limit=1.0,
                  control="F = 4", control_measured=at_y[4]),
        ],
        fails=[
            Check(what="exponent of π(best) in y's corner, F = 2", measured=locked, test=">", limit=0.6,
                  control="natural gradient, GRPO", control_measured=natural),
        ],
        numbers={f"tr Cov(ĝ), {at}, baseline {name}": value for (at, name), value in spread.items()}
        | {f"growth towards the faces, baseline {name}, {'tied' if tied else 'distinct'}": value
           for (name, tied), value in grown.items()},
    )  # fmt: skip


def _symmetric(matrix: Array) -> Array:
    half: Array = (matrix + matrix.T) / 2
    return half
