"""figure-2: training reward by step."""

import numpy as np

from theory.curves import curves
from theory.ledger import Check, Finding, Run, claim
from theory.unpublished import UNPUBLISHED


@claim(
    "figure-2",
    "Training reward by step: GRAO above GRPO above PPO.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The paper's logs aren't public; on our small problem the order in the early steps "
        "is the figure's: GRAO, GRPO, PPO."
    },
)
def figure_2(run: Run) -> Finding:
    """The analogue is exp-curves with a common best answer: early in training the order is the figure's."""
    found = curves(run.size, "common")
    tenth = len(found["GRPO"]["V"]) // 10
    early = {name: float(np.median(found[name]["V"][tenth])) for name in ("PPO", "GRPO", "GRAO repaired")}
    return Finding(
        "On the bandit's early steps the order is the figure's.", untestable=UNPUBLISHED,
        holds=[Check(what="median V of repaired GRAO − GRPO, a tenth of the way",
                     measured=early["GRAO repaired"] - early["GRPO"], test=">", limit=0.0,
                     control="PPO − GRPO", control_measured=early["PPO"] - early["GRPO"])],
        numbers=early,
    )  # fmt: skip
