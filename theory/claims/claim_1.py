"""claim-1: convergence of the gradient's norm."""

import numpy as np

from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim
from theory.unlearning import KINDS, REWARDS, G


def lowest_norm(kind: str, reference: int, steps: int, rate: float) -> float:
    """min ‖F(θ_k)‖ over the second half of exact ascent θ + η_k F, η_k = η / (1 + k/100)^0.6: Robbins-Monro (A5)."""
    bandit = ExactBandit(REWARDS, reference, G, **KINDS[kind])
    theta, lowest = np.zeros(3), np.inf
    for step in range(steps):
        update = bandit.update(theta)
        if step >= steps // 2:
            lowest = min(lowest, float(np.linalg.norm(update)))
        theta = theta + rate / (1 + step / 100) ** 0.6 * update
    return lowest


@claim(
    "claim-1",
    "Under A1-A5 the gradient's norm has limit inferior 0 with probability 1.",
    topic="convergence",
    answer={
        "holds under conditions": "The gradient fades if the reference is a best answer, or with the repaired "
        "objective; as printed, with a reference in the group's statistics that can be "
        "beaten, it doesn't."
    },
)
def claim_1(run: Run) -> Finding:
    """The proof needs J bounded above and does not state it; with a negative weight on log π(y) J is unbounded (thm-4).
    Moreover the on-policy update is not the gradient of any J (thm-5). What is measured is ‖F‖ along exact ascent with
    Robbins-Monro steps, so sampling noise has no part in it. It goes to 0 where the reference is a best answer, with
    the repair, and (in a table) in `outputs`.
    """
    steps = run.pick(400, 3000, 20000)
    found = {kind: lowest_norm(kind, 1, steps, 1.0) for kind in KINDS}
    best = lowest_norm("as printed", 0, steps, 1.0)
    tolerance = 0.1
    return Finding(
        f"As printed, with the reference pooled and one that can be beaten, ‖F‖ tends to {found['as printed']:.2f} on "
        "this path (thm-4: its limit; earlier it is smaller, and with tied best answers so is the limit). The "
        "assumption that the proof leaves out matters, because the paper's aim is to beat the reference.",
        holds=[
            Check(what="lowest ‖F‖, repaired", measured=found["repaired"], test="<", limit=tolerance,
                  control="as printed", control_measured=found["as printed"]),
            Check(what="lowest ‖F‖, as printed, y a best answer", measured=best, test="<", limit=tolerance,
                  control="y the second best", control_measured=found["as printed"]),
            Check(what="lowest ‖F‖, `outputs`", measured=found["outputs"], test="<", limit=tolerance,
                  control="with_reference", control_measured=found["as printed"]),
        ],
        fails=[Check(what="lowest ‖F‖, as printed, y the second best",
                     measured=found["as printed"], test=">", limit=1.0,
                     control="repaired", control_measured=found["repaired"])],
        numbers={f"lowest ‖F‖, {kind}": value for kind, value in found.items()},
    )  # fmt: skip
