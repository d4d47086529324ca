"""thm-8: how slowly a policy that is locked at its reference forgets the best answer, and why it gets out."""

from math import exp, sqrt

import numpy as np
import torch

from theory import corner, runs
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

FAILURES, MOST, RATE, SHARE = (1, 2, 4, 8), 8, 0.4, 0.2
REWARDS = np.array([1.0, 0.5, *[0.0] * MOST])
RULES: dict[str, corner.Rule] = {"GRPO": corner.grpo, "GRAO": corner.grao}


def predicted(failures: int) -> float:
    """F/(F+1)."""
    return failures / (failures + 1)


def start(rows: int) -> Array:
    """Logits of `rows` runs for each F: (4 rows, K)."""
    return np.concatenate([corner.in_corner(failures, MOST, rows, failing=SHARE) for failures in FAILURES])


def paths(rule: corner.Rule, rows: int, steps: int, natural: bool = False) -> Array:
    """log π(best) by step, for each F and row: (S, 4, N)."""
    rate = 0.1 if natural else RATE
    walk = corner.ascend(rule, REWARDS, start(rows), reference=1, rate=rate, steps=steps, natural=natural)
    return np.array([np.log(pi[:, 0]) for pi, _ in walk]).reshape(steps, len(FAILURES), rows)


def loop_paths(method: str, rows: int, steps: int) -> Array:
    """The same by the package's loop."""
    config = runs.settings(method=method, learning_rate=RATE, max_steps=steps)
    steps_of = runs.run(torch.tensor(REWARDS), 1, torch.tensor(start(rows)), config)
    found = [step.theta.log_softmax(-1)[:, 0].numpy() for step in steps_of]
    return np.array(found[1:]).reshape(steps, len(FAILURES), rows)


def exponents(path: Array) -> list[float]:
    """The exponent of π(best) for each F, from the step at which it is asymptotic."""
    first = len(path) // 5
    return [corner.slope(path[:, each], first)[0] for each in range(len(FAILURES))]


def off(found: list[float], expected: list[float]) -> float:
    """Largest distance."""
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def mean_field(failures: int, steps: int = 50_000) -> float:
    """The exponent by integrating π_f' = −(F + 1) c π_f², (log π_best)' = −F c π_f, c = η √(G−1), by Euler's method."""
    x, log_best, c, path = SHARE / failures, 0.0, RATE * sqrt(corner.G - 1), []
    for _ in range(steps):
        path.append(log_best)
        log_best, x = log_best - failures * c * x, x - (failures + 1) * c * x * x
    return corner.slope(np.array(path)[:, None].repeat(2, 1), steps // 10)[0]


def over_bound(path: Array, power: float = 1.0) -> float:
    """Largest over t and F of mean π_best(0)/π_best(t) over the bound 1 + G (e^(η/2) − 1) r t^power, r = π_fail/π_y."""
    t = np.arange(1, len(path))[:, None]
    bound = 1 + corner.G * (exp(RATE / 2) - 1) * SHARE / (1 - SHARE) * t**power
    return float((np.exp(path[:1] - path[1:]).mean(-1) / bound).max())


def behind(found: dict[str, Array]) -> tuple[list[float], list[float]]:
    """Mean π(best) of GRPO over GRAO's at the last step, for each F; the same by the formula."""
    grpo, grao = (np.exp(found[name][-1]).mean(-1) for name in ("GRPO", "GRAO"))
    factor = (1 + corner.LAM) * sqrt(corner.G / (corner.G - 1))
    return list(grpo / grao), [factor ** predicted(each) for each in FAILURES]


@claim(
    "thm-8",
    "Locked at its reference, a policy forgets an unseen best answer like t^(−F/(F+1)), and meets it again.",
    topic="when GRAO helps and hurts",
    answer={
        "holds": "Yes: a model that is stuck at its reference forgets a better, unseen answer so slowly that in the "
        "end it almost surely samples it, though that may take very long."
    },
)
def thm_8(run: Run) -> Finding:
    """π(y) near 1, F answers of equal reward below y's, the best answer never sampled. A group with one failure f moves
    θ by −w (e_f − π) and by weights times e_y − π. As π is near e_y the latter vanish: every rule that lowers failures
    takes the same from f as it gives to y, w = √(G−1)/G for GRPO, (1+λ)/√G for GRAO, and leaves θ_best alone. Failures
    are met at rate G F π_f, so with c = η G w: (log π_f)' = −(F+1) c π_f and (log π_best)' = −F c π_f. Hence π_f =
    1/((F+1) c t) and π_best ∝ t^(−F/(F+1)): neither G, η nor the method is in the exponent. This limit is heuristic: it
    replaces the groups by their mean. Proved for the sampled algorithm, plain steps of any η, any F and G: while the
    best is unseen, GRPO's Σw = 0 leaves its logit where it is, raises no failure, and a mixed group raises θ_y by η
    √(k(G−k))/G <= η/2. With s = θ_y(t) − θ_y(0), P(mixed) <= G r e^(−s), r = π_fail/π_y at the start, so E[e^s] grows
    by at most G r (e^(η/2) − 1) a step, and E[π_best(0)/π_best(t)] <= 1 + G r (e^(η/2) − 1) t. So a dyadic block of
    steps adds at least a to Σ π_best with probability 1 − O(a), for every a, the constant depending on the start: the
    sum is infinite almost surely, and by Borel and Cantelli the best answer is sampled almost surely. For GRAO, with β
    >= 1/G: Σw = Â_y (β − 1/G) >= 0, so no unseen answer is raised, and k failures raise θ_y by at least η Â_y (1+λ)/G.
    θ_best falls by at most η π_best Σw in the same groups; these falls sum to a constant because π_best shrinks
    geometrically. The rest is the same with other constants. For F = 1 E[e^(2s)] = O(t) too: at most the exponent 1/2.
    To be sampled is not yet to win. For plain REINFORCE, one sample a step, it is known of every answer and any η
    (Robertson et al., NeurIPS 2025, openreview YzriuQGaNX). 1/t is the bound of Mei et al. (arXiv:2402.17235, no
    probability decays faster); the exponent tends to theirs as F grows. In the constant w does count: at equal η GRAO's
    π_best is lower than GRPO's by ((1+λ) √(G/(G−1)))^(F/(F+1)). Natural gradient divides by π: one meeting removes a
    failure, so y is raised F times, and π_best does not decay at all.
    """
    rows, steps = run.pick((200, 1000), (300, 1000), (1000, 5000))
    found = {name: paths(rule, rows, steps) for name, rule in RULES.items()}
    by_rule = {name: exponents(path) for name, path in found.items()}
    of_loop = {name: exponents(loop_paths(name.lower(), *run.pick((60, 120), (80, 300), (300, 2000))))
               for name in RULES}  # fmt: skip
    natural = exponents(paths(corner.grpo, rows, steps, natural=True))
    theory, flow = [predicted(each) for each in FAILURES], [mean_field(each) for each in FAILURES]
    flat = float(np.mean(theory))
    apart, lower = behind(found)
    _draw(run, found)
    return Finding(
        f"Exponents for F = 1, 2, 4, 8, GRPO: {_list(by_rule['GRPO'])}; GRAO: {_list(by_rule['GRAO'])}; F/(F+1): "
        f"{_list(theory)}. At the same η GRAO's π_best is lower by a factor, {_list(apart)} at the last "
        f"step, {_list(lower)} by the formula. And GRAO enters the corner more often (exp-crowd). "
        "Lock-in is long, not eternal: the exponent is below 1, so the chances to sample the best add up without end. "
        f"With natural gradient the exponents are {_list(natural)}.",
        holds=[
            Check(what="mean-field exponents − F/(F+1), F = 1, 2, 4, 8, by integration",
                  measured=off(flow, theory), test="<", limit=0.01,
                  control="− 1, the bound's", control_measured=off(flow, [1.0] * 4)),
            *(Check(what=f"sampled exponents of {name} − F/(F+1)", measured=off(found, theory), test="<", limit=0.06,
                    control="− their mean, one exponent for every F", control_measured=off(found, [flat] * 4))
              for name, found in by_rule.items()),
            *(Check(what=f"sampled exponents of {name} in the package's loop − F/(F+1)",
                    measured=off(found, theory), test="<", limit=0.12,
                    control="with natural gradient", control_measured=off(natural, theory))
              for name, found in of_loop.items()),
            Check(what="mean π_best(0)/π_best(t) over its bound 1 + C t, GRPO, largest over t and F",
                  measured=over_bound(found["GRPO"]), test="<", limit=1.0,
                  control="over 1 + C √t", control_measured=over_bound(found["GRPO"], 0.5)),
            Check(what="largest exponent with natural gradient", measured=max(natural), test="<", limit=0.2,
                  control="GRPO's", control_measured=max(by_rule["GRPO"])),
        ],
        numbers={f"exponents, {name}, F = 1, 2, 4, 8": tuple(values) for name, values in by_rule.items()}
        | {f"exponents, {name} in the package's loop": tuple(values) for name, values in of_loop.items()}
        | {"mean π(best) of GRPO over GRAO's, the last step": tuple(apart), "the same by the formula": tuple(lower)}
        | {"exponents, natural gradient": tuple(natural), "exponents, mean field": tuple(flow)},
        figures={"thm-8": ALT},
    )  # fmt: skip


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


ALT = (
    "Probability of the best answer against steps, on logarithmic axes: straight falling lines, steeper with more "
    "failing answers, with dotted lines of the predicted slopes; GRPO's and GRAO's are parallel."
)


def _draw(run: Run, found: dict[str, Array]) -> None:
    with figure(run, "thm-8") as axes:
        if axes is None:
            return
        t = np.arange(1, len(found["GRPO"]) + 1)
        for each, failures in enumerate(FAILURES):
            means = {name: np.exp((path - path[0])[:, each].mean(-1)) for name, path in found.items()}
            (line,) = axes.loglog(t, means["GRPO"], label=f"F = {failures}, slope −{predicted(failures):.2f} dotted")
            axes.loglog(t, means["GRAO"], "--", color=line.get_color())
            tail = t[len(t) // 10 :]
            axes.loglog(tail, 1.25 * means["GRPO"][-1] * (tail / t[-1]) ** -predicted(failures), ":", color="black")
        axes.set(xlabel="step (GRPO solid, GRAO dashed)", ylabel="π(best) / its start", ylim=(None, 2))
