"""exp-rates: how fast V approaches its best value."""

import numpy as np

from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim
from theory.sampled import Table, ascend, fixed

REWARDS, START = np.array([1.0, 0.5, 0.0]), np.zeros(3)
POWER, DECAYING = 0.6, 3.0  # Robbins-Monro: η_k = 3 (k + 1)^−0.6, so Σ η_k goes like k^0.4


def gap_path(kind: str, steps: int, rate: float = 0.4, power: float = 0.0) -> Array:
    """1 − V by step of exact ascent: "gradient" ∇V, "entropy" ∇V with entropy regularisation, "grpo", "grao repaired".

    With entropy the gap is the distance of the policy from the regularised optimum softmax(R/α), α = 1.
    Steps are η (k + 1)^−power: constant, or Robbins-Monro's (A5) for a power in (1/2, 1].
    """
    settings = {"beta": 0.0, "lam": 0.0, "pool": "outputs"} if kind != "grao repaired" else {"only_when_ahead": True}
    bandit, theta, gaps = ExactBandit(REWARDS, 1, 8, **settings), START, []
    best = np.exp(REWARDS) / np.exp(REWARDS).sum()
    for k in range(steps):
        pi, eta = bandit.policy(theta), rate * (k + 1) ** -power
        if kind == "entropy":
            gaps.append(float(np.abs(pi - best).sum()))
            inner = REWARDS - np.log(pi)
            theta = theta + eta * pi * (inner - pi @ inner)
        else:
            gaps.append(1 - bandit.value(theta))
            theta = theta + eta * (bandit.gradient(theta) if kind == "gradient" else bandit.update(theta))
    return np.array(gaps)


def exponent(gaps: Array) -> float:
    """Slope of log gap on log t over the last half."""
    return float(exponents(gaps[:, None])[0])


def exponents(gaps: Array) -> Array:
    """The same for each seed: (S, N) -> (N,)."""
    half = len(gaps) // 2
    t = np.arange(1, len(gaps) + 1)[half:]
    slopes: Array = np.polyfit(np.log(t), np.log(gaps[half:]), 1)[0]
    return slopes


def late_over_early(gaps: Array) -> float:
    """Rate of exponential decay per step between steps 100 and 200, over that between steps 50 and 100."""
    return float(np.log(gaps[200] / gaps[100]) / 100) / float(np.log(gaps[100] / gaps[50]) / 50)


def sampled_gaps(rho: float, power: float, steps: int, seeds: int) -> Array:
    """1 − V by step and seed with sampled groups, the samples' weights pooled, and steps as in `gap_path`."""
    table = Table(REWARDS.tolist(), 1, [1 / 3] * 3)
    rate = 0.4 if power == 0 else DECAYING
    return 1 - ascend(table, fixed(rho), steps=steps - 1, seeds=seeds, rate=lambda k: rate * (k + 1) ** -power)


ALT = (
    "Distance to the best reward against steps, on logarithmic axes: with constant steps the lines end parallel to "
    "1/t, with Robbins-Monro steps they are flatter, and with entropy the distance falls far faster."
)


def _draw(run: Run, paths: dict[str, Array], decaying: dict[str, Array], short: Array) -> None:
    """1 − V by step, both axes logarithmic: a power of t is a straight line."""
    steps = len(paths["gradient"])
    with figure(run, "exp-rates", legend="below") as axes:
        if axes is not None:
            for kind, path in paths.items():
                axes.loglog(np.arange(1, steps + 1), path, label=kind)
            for kind, path in decaying.items():
                axes.loglog(np.arange(1, steps + 1), path, "--", label=f"{kind}, Robbins-Monro steps")
            axes.loglog(np.arange(1, len(short) + 1), short, label="entropy (from its optimum)")
            axes.loglog([10, steps], [3, 3 * 10 / steps], "k:", label="1/t")
            axes.loglog([10, steps], [3, 3 * (10 / steps) ** 0.5], "k--", label="1/√t")
            axes.set(xlabel="step", ylabel="1 − V", ylim=(1e-6, 5), xlim=(1, None))


@claim(
    "exp-rates",
    "V approaches its best value at claim-3's rate, O(1/√T), or faster.",
    topic="convergence",
    answer={
        "holds under conditions": "With a constant learning rate the expected reward converges faster than claimed; "
        "with the shrinking steps that the paper's theorem asks for, it converges more "
        "slowly."
    },
)
def exp_rates(run: Run) -> Finding:
    """The known rates are reproduced first: exact softmax policy gradient has gap Θ(1/t), and with entropy it is linear
    (Mei et al. 2020). GRPO's F is Θ(1/t) too (for binary rewards F = c_G(p) ∇V, thm-5, so √(G−1) times as fast in the
    end; here there are three rewards), and so is the repaired GRAO's. Claim-3's O(1/√T) is a rate of min_k E‖∇J‖², not
    of 1 − V; here ‖∇V‖ shrinks with 1 − V, so V is the stricter measure. The 1/t holds in Σ η_k, the time that has
    passed. With A5's Robbins-Monro steps η_k = η k^−a, a > 1/2, that time grows like k^(1−a) and the gap shrinks like
    k^(a−1): slower than 1/√T for every a. Here a = 0.6. Smaller steps are not needed either: on a bandit the noise
    vanishes as the policy becomes certain. Sampled, 1,000 seeds, the exponent is that of each seed's own path.
    """
    steps = run.pick(1500, 6000, 40000)
    paths = {kind: gap_path(kind, steps) for kind in ("gradient", "grpo", "grao repaired")}
    short = gap_path("entropy", 201)
    slopes = {kind: exponent(path) for kind, path in paths.items()}
    decaying = {kind: gap_path(kind, steps, DECAYING, POWER) for kind in ("grpo", "grao repaired")}
    slow = {kind: exponent(path) for kind, path in decaying.items()}
    seeds, length = run.pick(200, 1000, 4000), run.pick(600, 1500, 6000)
    sampled = {(rho, power): exponents(sampled_gaps(rho, power, length, seeds))
               for rho in (0.0, 0.36) for power in (0.0, POWER)}  # fmt: skip
    linear = float(np.log(short[200] / short[100]) / 100)
    _draw(run, paths, decaying, short)
    return Finding(
        f"The laboratory gives the known rates (t^{slopes['gradient']:.2f}; with entropy a factor e^{linear:.3f} a "
        f"step). GRPO's and repaired GRAO's exact flows go like t^{slopes['grpo']:.2f} and "
        f"t^{slopes['grao repaired']:.2f}, GRPO {paths['gradient'][-1] / paths['grpo'][-1]:.2f} times as close in "
        "the end: with constant steps the claimed rate holds and is not tight. With A5's steps it is false: "
        f"t^{slow['grao repaired']:.2f} (of V; ‖∇V‖², which claim-3 is about, goes like its square). Sampled, the "
        f"median seed's exponent is {np.median(sampled[0.36, 0.0]):.2f} with constant steps and "
        f"{np.median(sampled[0.36, POWER]):.2f} with A5's.",
        holds=[
            Check(what="|exponent of exact policy gradient + 1|",
                  measured=abs(slopes["gradient"] + 1), test="<", limit=0.1,
                  control="against 1/√t", control_measured=abs(slopes["gradient"] + 0.5)),
            Check(what="exponent of repaired GRAO's gap", measured=slopes["grao repaired"], test="<", limit=-0.6,
                  control="of 1/√t itself", control_measured=exponent(1 / np.sqrt(np.arange(1, steps + 1)))),
            Check(what="rate of decay with entropy, per step, late over early",
                  measured=late_over_early(short), test=">", limit=0.8,
                  control="of exact policy gradient, the same steps",
                  control_measured=late_over_early(paths["gradient"])),
        ],
        fails=[
            Check(what="exponent of repaired GRAO's gap with η_k = 3 k^−0.6",
                  measured=slow["grao repaired"], test=">", limit=-0.47,
                  control="constant steps", control_measured=slopes["grao repaired"]),
            Check(what="the same of the median seed, sampled",
                  measured=float(np.median(sampled[0.36, POWER])), test=">", limit=-0.47,
                  control="constant steps", control_measured=float(np.median(sampled[0.36, 0.0]))),
        ],
        numbers={f"exponent, {kind}": value for kind, value in slopes.items()}
        | {f"exponent, {kind}, Robbins-Monro steps": value for kind, value in slow.items()}
        | {f"exponent, sampled, ρ = {rho:g}, {'Robbins-Monro' if power else 'constant'} steps: quartiles":
           tuple(map(float, np.quantile(rows, [0.25, 0.5, 0.75]))) for (rho, power), rows in sampled.items()}
        | {f"1 − V at the end, {kind}": float(path[-1]) for kind, path in paths.items()},
        figures={"exp-rates": ALT},
    )  # fmt: skip
