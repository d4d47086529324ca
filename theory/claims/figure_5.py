"""figure-5: the share of each term in the loss."""

import numpy as np

from theory.curves import LAM, TERMS, curves, shares
from theory.figures import figure
from theory.ledger import Check, Finding, Run, claim
from theory.unpublished import UNPUBLISHED

ALT = (
    "Share of the three terms in the loss by step, three panels. Imitation leads at first in each; then it takes "
    "over the loss as printed, vanishes when repaired, and stays beside the others where the reference isn't "
    "pooled."
)


@claim(
    "figure-5",
    "Share of the three terms in the loss by step.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The paper's logs aren't public; on our small problem imitation leads first, too, "
        "and what follows depends on the variant of the objective."
    },
)
def figure_5(run: Run) -> Finding:
    """The share of a term's value is not its share of the gradient. In `outputs` the alignment term is λ times
    exploration identically (thm-1), so two of the three curves are proportional.
    """
    found = curves(run.size, "common")
    names = ("GRAO printed", "GRAO repaired", "GRAO outputs")
    lag = {
        name: np.abs(found[name]["objective/alignment"] - LAM * found[name]["objective/exploration"]).max()
        for name in names
    }
    with figure(run, "figure-5", columns=3, legend="below") as axes:
        if axes is not None:
            for each, name in zip(axes, names, strict=True):
                each.stackplot(range(len(shares(found[name]))), shares(found[name]).T, labels=TERMS, alpha=0.7)
                each.set(xlabel="step", ylabel="share of the loss", title=name)
    return Finding(
        "As in the paper imitation dominates first. What follows depends on the pool and the repair more than on "
        "learning.",
        untestable=UNPUBLISHED,
        holds=[Check(what="|alignment − λ exploration| at every step and seed, `outputs`",
                     measured=float(lag["GRAO outputs"]), test="<", limit=1e-9,
                     control="reference pooled", control_measured=float(lag["GRAO printed"]))],
        figures={"figure-5": ALT},
    )  # fmt: skip
