"""exp-adaptive: whether β and λ should adapt during training; by thm-1 only their ratio ρ matters."""

from collections.abc import Callable

import numpy as np

from theory.curves import STARTS
from theory.figures import COLOURS, figure
from theory.groups import Array
from theory.intervals import quantile_interval
from theory.ledger import Check, Finding, Run, claim
from theory.sampled import LAM, G, Seen, Table, ascend, fixed

RHO = (0.5 + LAM / G) / (1 + LAM)
FAILURES = [0.0] * 8
TABLES = {
    "best answer common": Table([1.0, 0.7, *FAILURES], 1, STARTS["common"]),
    "best answer rare": Table([1.0, 0.7, *FAILURES], 1, STARTS["rare"]),
    "reference the best": Table([0.7, 1.0, *FAILURES], 1, STARTS["rare"]),
}


def by_share(seen: Seen) -> Array:
    """ρ times Â_y⁺'s share in all there is to learn from: Â_y⁺ / (Â_y⁺ + mean |Â_i|)."""
    ahead = np.maximum(seen.A_y, 0)
    share: Array = ahead / np.maximum(ahead + seen.spread, 1e-300)
    return fixed(RHO)(seen) * share


def until_half(seen: Seen) -> Array:
    """ρ falls with the win rate over the reference, to 0 at one half."""
    return fixed(RHO)(seen) * np.maximum(0, 1 - 2 * seen.wins)


def until_first(seen: Seen) -> Array:
    """ρ until a sample has done as well as the reference of late, and again when none has for about 20 steps."""
    return fixed(RHO)(seen) * (seen.wins < 0.01)


def backwards(seen: Seen) -> Array:
    """The planted violation: ρ grows with the win rate, to twice its size."""
    weight: Array = fixed(RHO)(seen) * (1 + np.minimum(1, 2 * seen.wins))
    return weight


FIXED = {f"ρ = {rho:.2g}": fixed(rho) for rho in (0.0, 0.1, RHO, 1.0)}
PAPER = f"ρ = {RHO:.2g}"
ADAPTED: dict[str, Callable[[Seen], Array]] = {
    "by share": by_share,
    "until half": until_half,
    "until first": until_first,
}


@claim(
    "exp-adaptive",
    "Adapting the one knob ρ to the group helps.",
    topic="when GRAO helps and hurts",
    answer={
        "holds under conditions": "Adapting the strength of imitation helps a little where the best answer is "
        "common; where it is rare, the typical run still ends at the reference's level."
    },
)
def exp_adaptive(run: Run) -> Finding:
    """The two bandits of exp-curves, and a third whose reference is itself the best answer and rare; repaired
    objective, 8 samples, one rate (0.4). The paper's ρ = 0.36 is compared with other fixed ones (0: no imitation), and
    with three rules that lower it as the policy improves: by Â_y⁺'s share; by the win rate over the reference (ties
    count half, a running mean); and to 0 once a sample has tied or won. There are two measures: V at the end, and V's
    mean over the run, which measures speed. A rule helps if it is faster than the same ρ held fixed (control: the rule
    reversed), or if it reaches the best answer where the fixed ρ does not.
    """
    steps, seeds = run.pick(90, 160, 800), run.pick(300, 1000, 4000)
    rules = FIXED | ADAPTED | {"backwards": backwards}
    paths = {(where, rule): ascend(table, weight, steps=steps, seeds=seeds, rate=lambda k: 0.4)
             for where, table in TABLES.items() for rule, weight in rules.items()}  # fmt: skip
    end = {key: float(np.median(path[-1])) for key, path in paths.items()}
    mean = {key: float(np.median(path.mean(0))) for key, path in paths.items()}
    passed = {rule: float((paths["best answer rare", rule][-1] > 0.75).mean()) for rule in rules}
    _draw(run, paths)
    common, rare, own = TABLES
    gain = {rule: mean[common, rule] - mean[common, PAPER] for rule in rules}
    best = max(end[rare, rule] for rule in ADAPTED)
    return Finding(
        "Where the best answer is common, a little: the mean of V over the run is "
        f"{min(gain[rule] for rule in ADAPTED):.3f} to {max(gain[rule] for rule in ADAPTED):.3f} higher than with "
        f"the paper's ρ; ρ = 0 has {gain['ρ = 0']:.3f} over it. Where it is rare, no: the median run of each of the "
        "three rules "
        "ends at the reference's level, as with every fixed ρ but 0, and "
        f"{max(passed[rule] for rule in ADAPTED):.0%} of the seeds at best get past it ({passed['ρ = 0']:.0%} with ρ "
        "= 0). The win rate rises too late: when it reaches one half, the policy is already certain of the "
        "reference. Where the reference is the best answer the rules keep most of imitation's speed "
        f"({min(mean[own, rule] for rule in ADAPTED):.2f} at least, against {mean[own, PAPER]:.2f} with ρ fixed and "
        f"{mean[own, 'ρ = 0']:.2f} without). None of the three rules knows whether a better answer exists that was "
        "never "
        "sampled, and the best choice of ρ depends on that.",
        holds=[
            Check(what="gain in mean V over the same ρ fixed, best answer common, the least of three rules",
                  measured=min(gain[rule] for rule in ADAPTED), test=">", limit=0.003,
                  control="the rule reversed", control_measured=gain["backwards"]),
            Check(what="mean V where the reference is the best, least of three rules − ρ = 0",
                  measured=min(mean[own, rule] for rule in ADAPTED) - mean[own, "ρ = 0"], test=">", limit=0.05,
                  control="ρ = 0.36 where the best answer is rare − ρ = 0",
                  control_measured=mean[rare, PAPER] - mean[rare, "ρ = 0"]),
        ],
        fails=[Check(what="median V at the end − reference, best answer rare, the best of three rules",
                     measured=best - 0.7, test="<", limit=0.05,
                     control="ρ = 0", control_measured=end[rare, "ρ = 0"] - 0.7)],
        numbers={f"V at the end, {where}, {rule}: quartiles, and the median's 95 % interval from, to":
                 (*map(float, np.quantile(path[-1], [0.25, 0.5, 0.75])),
                  *map(float, quantile_interval(path[-1], 0.5, 0.05))) for (where, rule), path in paths.items()}
        | {f"V's mean over the run, {where}, {rule}: quartiles": tuple(
            map(float, np.quantile(path.mean(0), [0.25, 0.5, 0.75]))) for (where, rule), path in paths.items()}
        | {f"share of seeds past the reference, best answer rare, {rule}": value for rule, value in passed.items()},
        figures={"exp-adaptive": ALT},
    )  # fmt: skip


ALT = (
    "Expected reward by step for five rules of imitation, three panels. All arrive where the best answer is "
    "common; where it is rare, only no imitation passes the dotted reference; where the reference is best, "
    "imitation is faster."
)


def _draw(run: Run, paths: dict[tuple[str, str], Array]) -> None:
    with figure(run, "exp-adaptive", columns=3, legend="lower right") as axes:
        if axes is None:
            return
        for each, where in zip(axes, TABLES, strict=True):
            for colour, rule in zip(COLOURS, ("ρ = 0", PAPER, *ADAPTED), strict=False):
                path = paths[where, rule]
                each.plot(np.median(path, 1), color=colour, label=rule)
                each.fill_between(range(len(path)), *np.quantile(path, [0.25, 0.75], axis=1), color=colour, alpha=0.15,
                                  linewidth=0)  # fmt: skip
            each.axhline(TABLES[where].rewards[1], color="grey", linestyle=":")
            each.set(xlabel="step (8 samples)", ylabel="V, median and quartiles", title=where)
