"""figure-4: the total loss by step."""

import numpy as np

from theory.curves import curves
from theory.ledger import Check, Finding, Run, claim
from theory.unpublished import UNPUBLISHED


@claim(
    "figure-4",
    "The total loss falls by step, as learning goes on.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The paper's logs aren't public; on our small problem the printed loss goes on "
        "falling while the reward no longer rises."
    },
)
def figure_4(run: Run) -> Finding:
    """The value of eq-3 does not measure progress. With samples from the current policy only its gradient matters, and
    as printed the loss can fall for ever by unlearning the reference (thm-4) while V does not change.
    """
    found = curves(run.size, "common")
    half = len(found["GRAO printed"]["loss"]) // 2
    change = {name: (float(np.diff(found[name]["loss"].mean(1)[[half, -1]])[0]),
                     float(np.diff(np.median(found[name]["V"], 1)[[half, -1]])[0]))
              for name in ("GRAO printed", "GRAO repaired")}  # fmt: skip
    return Finding(
        f"In the second half of the printed objective's run its loss falls by {-change['GRAO printed'][0]:.1f} and V "
        f"rises by {change['GRAO printed'][1]:.3f}: a falling loss shows the reference being unlearned.",
        untestable=UNPUBLISHED,
        holds=[Check(what="change of the printed loss over the second half",
                     measured=change["GRAO printed"][0], test="<", limit=-1.0,
                     control="repaired", control_measured=change["GRAO repaired"][0])],
    )  # fmt: skip
