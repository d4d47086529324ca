"""exp-curves: learning curves of every method on a bandit of ten answers."""

from typing import Any

import numpy as np
import torch

from theory import runs
from theory.arrivals import rare
from theory.curves import METHODS, STARTS, curves
from theory.exact import ExactBandit
from theory.figures import COLOURS, figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

FIELDS: dict[str, dict[str, Any]] = {
    "GRPO": {"beta": 0.0, "lam": 0.0, "pool": "outputs"},
    "GRAO repaired": {"only_when_ahead": True},
}


@claim(
    "exp-curves",
    "On a bandit with a beatable reference GRAO ends above its reference.",
    topic="when GRAO helps and hurts",
    answer={
        "holds under conditions": "It does where the best answer is common at the start; where it is rare, GRAO "
        "stays at the reference's level for a long time while GRPO passes it."
    },
)
def exp_curves(run: Run) -> Finding:
    """One learning rate (0.4) for all methods, tuned for none; medians and the middle half of the seeds. "SFT, then
    GRPO" runs SFT until the reference has probability 1/2. Every method is run twice: with a best answer as likely as
    any other at the start, and with a rare one (2 %). Ending at the reference's level means within these steps: the
    best answer keeps a probability above 0, and is found in the end. How long that takes depends on the number of
    failing answers (rate 0.8, best answer and reference at 2 %; locked: V < 0.75).
    """
    found = {kind: curves(run.size, kind) for kind in STARTS}
    end = {
        (kind, name): np.quantile(rows["V"][-1], [0.25, 0.5, 0.75])
        for kind in STARTS
        for name, rows in found[kind].items()
    }
    _draw(run, found)
    common, seldom = ({name: float(end[kind, name][1]) for name in found[kind]} for kind in ("common", "rare"))
    horizons = run.pick((40, 120), (100, 300), (100, 1000, 10000))
    held = locked((2, 8), horizons, run.pick(60, 200, 200))
    flow = {name: _flow(change) for name, change in FIELDS.items()}
    ahead = {"common": common["GRAO repaired"] - 0.7, "rare": seldom["GRAO repaired"] - 0.7}
    return Finding(
        f"Where the best answer is common GRAO ends above its reference, like GRPO ({common['GRAO repaired']:.2f} "
        f"and {common['GRPO']:.2f}). Where it is rare GRAO is at its reference's level "
        f"after {len(found['rare']['GRPO']['V']) - 1} steps ({seldom['GRAO repaired']:.2f}, GRPO at "
        f"{seldom['GRPO']:.2f}), "
        "printed or repaired: imitation makes the policy "
        "certain of the reference before it has sampled anything better, and after that nearly all groups have "
        "equal rewards. GRPO is slower and reaches the best answer. SFT, then GRPO, is then at the reference's level "
        f"both times ({common['SFT, then GRPO']:.2f}, {seldom['SFT, then GRPO']:.2f}). Neither the seeds nor the step "
        f"size cause this: the exact flow is at {flow['GRAO repaired']:.2f} and {flow['GRPO']:.2f} at time 100. It "
        "lasts "
        f"long, but not for ever: of repaired GRAO's runs {', '.join(f'{x:.0%}' for x in held[8])} are still locked "
        "after "
        f"{', '.join(map(str, horizons))} steps with eight failing answers, {', '.join(f'{x:.0%}' for x in held[2])} "
        "with two.",
        holds=[
            Check(what="median V at the end − reference, GRAO repaired, best answer common",
                  measured=ahead["common"], test=">", limit=0.1,
                  control="SFT", control_measured=common["SFT"] - 0.7),
            Check(what="median V at the end − SFT-then-GRPO's, GRAO repaired, best answer common",
                  measured=common["GRAO repaired"] - common["SFT, then GRPO"], test=">", limit=0.1,
                  control="best answer rare", control_measured=seldom["GRAO repaired"] - seldom["SFT, then GRPO"]),
            Check(what=f"share of locked runs, {horizons[-1]} steps over {horizons[0]}, two failing answers",
                  measured=held[2][-1] / held[2][0], test="<", limit=0.8,
                  control="eight failing answers", control_measured=held[8][-1] / held[8][0]),
        ],
        fails=[Check(what="median V at the end − reference, GRAO repaired, best answer rare",
                     measured=ahead["rare"], test="<", limit=0.05,
                     control="best answer common", control_measured=ahead["common"])],
        numbers={f"share of GRAO's runs locked at the reference, {failures} failing answers, after {n} steps": share
                 for failures, shares in held.items() for n, share in zip(horizons, shares, strict=True)}
        | {f"V of the exact flow at time 100, best answer rare, {name}": value for name, value in flow.items()}
        | {f"V at the end, {name}, best answer {kind}, {which}": float(row[i]) for (kind, name),
            row in end.items()
                 for i, which in enumerate(("lower quartile", "median", "upper quartile"))},
        figures={"exp-curves": ALT},
    )  # fmt: skip


def locked(crowds: tuple[int, ...], horizons: tuple[int, ...], seeds: int) -> dict[int, list[float]]:
    """For numbers F of failing answers, the share of repaired GRAO's runs at the reference's level (V < 0.75) after so
    many steps, rate 0.8, p = 0.02. All in one run: the answers that are too many for an F are never sampled.
    """
    most = max(crowds)
    starts = [torch.nn.functional.pad(rare(0.02, each, seeds), (0, most - each), value=-60.0) for each in crowds]
    rewards, shares = torch.tensor([1.0, 0.7, *[0.0] * most]), []
    config = runs.settings(max_steps=horizons[-1], learning_rate=0.8)
    for step in runs.run(rewards, 1, torch.cat(starts), config):
        if step.step in horizons:
            shares.append((step.value < 0.75).double().view(len(crowds), seeds).mean(-1).tolist())
    return dict(zip(crowds, map(list, zip(*shares, strict=True)), strict=True))


def _flow(change: dict[str, Any], rate: float = 0.2) -> float:
    """V at time 100 of the exact flow, from the rare start."""
    bandit = ExactBandit(np.array([1.0, 0.7, *[0.0] * 8]), 1, **change)
    theta = np.log(STARTS["rare"])
    for _ in range(int(100 / rate)):
        theta = theta + rate * bandit.update(theta)
    return bandit.value(theta)


ALT = (
    "Expected reward by step, two panels. Where the best answer is common, GRPO, PPO and GRAO pass the dotted "
    "reference. Where it is rare, only GRPO and PPO do; GRAO and SFT stay at its level."
)


def _draw(run: Run, found: dict[str, dict[str, dict[str, Array]]]) -> None:
    with figure(run, "exp-curves", columns=2, legend="below") as axes:
        if axes is not None:
            for each, kind in zip(axes, STARTS, strict=True):
                for name, rows in found[kind].items():
                    colour = COLOURS[list(METHODS).index(name)]
                    each.plot(np.median(rows["V"], 1), color=colour, label=name if kind == "common" else None)
                    band = np.quantile(rows["V"], [0.25, 0.75], axis=1)
                    each.fill_between(range(len(rows["V"])), *band, color=colour, alpha=0.15, linewidth=0)
                each.axhline(0.7, color="grey", linestyle=":", label="reference" if kind == "common" else None)
                each.set(
                    xlabel="step (8 rewards asked for)", ylabel="V, median, quartiles", title=f"best answer {kind}"
                )
