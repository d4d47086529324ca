"""exp-inner: several updates on one batch."""

import numpy as np

from theory.ends import ends
from theory.figures import figure
from theory.ledger import Check, Finding, Run, claim

KINDS: dict[str, dict[str, object]] = {
    "GRPO, clipped": {"method": "grpo"},
    "eq-3, samples alone": {"method": "grao", "imitation_coef": 0.0, "alignment_coef": 0.0, "pool": "outputs"},
    "GRAO repaired": {"method": "grao"},
}


ALT = (
    "Share of runs stuck at the reference or below against the updates on each batch, 1 to 8: none with a clipped "
    "ratio, few without one, and many with repaired GRAO."
)


@claim(
    "exp-inner",
    "Eq-3, which has no ratio, tolerates several updates on one batch as well as a clipped ratio does.",
    topic="when GRAO helps and hurts",
    answer={
        "fails": "No: with several updates on one batch, more runs get stuck without GRPO's clipped ratio than with "
        "it, most of all where the reference is imitated as well."
    },
)
def exp_inner(run: Run) -> Finding:
    """With k updates on one batch eq-3 repeats the gradient at the weights of old samples: k steps in one direction.
    GRPO's ratio stops raising an answer once it is 1.2 times as likely. The learning rate is the same for all k. The
    measure is the share of seeds that end within 0.02 of the reference's level or below. Eq-3 with β = λ = 0 has GRPO's
    advantages and no ratio, so it isolates the effect of the ratio. The rest of GRAO's loss comes from repeating the
    reference.
    """
    seeds, steps = run.pick(400, 1000, 4000), run.pick(20, 40, 100)
    updates = run.pick([1, 8], [1, 2, 4, 8], [1, 2, 4, 8, 16])
    stuck, median = {}, {}
    for name, change in KINDS.items():
        for k in updates:
            values = ends(seeds, steps, num_iterations=k, learning_rate=0.8, **change)
            stuck[name, k], median[name, k] = float((values < 0.62).mean()), float(np.median(values))
    last = updates[-1]
    gentle = ends(seeds, steps, num_iterations=last, learning_rate=0.8 / last, **KINDS["GRAO repaired"])
    worse = {name: stuck[name, last] - stuck[name, 1] for name in KINDS}
    with figure(run, "exp-inner") as axes:
        if axes is not None:
            for name in KINDS:
                axes.plot(updates, [stuck[name, k] for k in updates], marker="o", label=name)
            axes.set(xlabel="updates on each batch", ylabel="share of runs stuck at the reference or below")
    return Finding(
        f"Not at the same learning rate: from 1 to {last} updates the share of runs stuck at the reference's level "
        f"or below grows by {worse['GRPO, clipped']:.1%} with the clipped ratio, by "
        f"{worse['eq-3, samples alone']:.1%} without a ratio, by {worse['GRAO repaired']:.1%} where the reference is "
        f"imitated as well: most of the harm comes from the reference. At the rate divided by {last} "
        f"{float((gentle < 0.62).mean()):.1%} of GRAO's runs are stuck.",
        fails=[
            Check(what="growth of the share of stuck runs, eq-3's samples alone",
                  measured=worse["eq-3, samples alone"], test=">", limit=0.005,
                  control="GRPO, clipped", control_measured=worse["GRPO, clipped"]),
            Check(what="the same, GRAO repaired", measured=worse["GRAO repaired"], test=">", limit=0.1,
                  control="GRPO, clipped", control_measured=worse["GRPO, clipped"]),
        ],
        numbers={f"stuck, {name}, {k} updates": value for (name, k), value in stuck.items()}
        | {f"median V, {name}, {k} updates": value for (name, k), value in median.items()},
        figures={"exp-inner": ALT},
    )  # fmt: skip
