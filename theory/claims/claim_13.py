"""claim-13: the spread of the reward late in training."""

import numpy as np

from theory.curves import curves
from theory.ledger import Check, Finding, Run, claim
from theory.unpublished import UNPUBLISHED


@claim(
    "claim-13",
    "After 800 steps GRPO shows ±9.6 % reward variance, PPO plateaus, GRAO gains 0.83 % a step.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The paper's logs aren't public; on our small problem what still varies after "
        "convergence is sampling noise, of like size for GRPO and GRAO."
    },
)
def claim_13(run: Run) -> Finding:
    """A gain of 0.83 % of the scale cannot last more than 120 steps, so it cannot be the rate of a bounded reward after
    step 800. The analogue: how much the batch's mean reward changes from step to step once V has converged.
    """
    found = curves(run.size, "common")
    late = {
        name: float(np.diff(found[name]["reward"][-20:], axis=0).std()) for name in ("PPO", "GRPO", "GRAO repaired")
    }
    first = float(np.diff(found["GRPO"]["reward"][:20], axis=0).std())
    return Finding(
        "On the bandit the spread of the batch's reward after convergence is sampling noise, of the same size for "
        f"GRPO and GRAO ({late['GRPO']:.3f}, {late['GRAO repaired']:.3f}).",
        untestable=UNPUBLISHED,
        holds=[Check(what="GRPO's step-to-step spread of reward, last 20 steps",
                     measured=late["GRPO"], test="<", limit=0.1,
                     control="first 20 steps", control_measured=first)],
        numbers={f"late spread, {name}": value for name, value in late.items()}
        | {"steps until 0.83 % a step exceeds the whole scale": 100 / 0.83},
    )  # fmt: skip
