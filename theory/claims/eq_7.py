"""eq-7: the update and its sign."""

from theory.equations import BETA, LAM, REWARDS, START, G
from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-7",
    "θ_(k+1) = θ_k − η ∇̂J improves the policy.",
    topic="the equations",
    answer={
        "fails": "No: the printed step has the wrong sign and lowers the expected reward; with the sign corrected it "
        "rises."
    },
)
def eq_7(run: Run) -> Finding:
    """J is to be maximised, and subtracting its gradient is descent. With a plus it is the ascent that the rest of the
    paper assumes.
    """
    bandit, changes = ExactBandit(REWARDS, 0, G, BETA, LAM), {}
    for sign in (-1, 1):
        theta = START
        for _ in range(20):
            theta = theta + sign * 0.1 * bandit.update(theta)
        changes[sign] = bandit.value(theta) - bandit.value(START)
    return Finding(
        f"As printed V falls by {-changes[-1]:.2f} in twenty steps; with the sign corrected it rises by "
        f"{changes[1]:.2f}.",
        fails=[
            Check(
                what="change of V in twenty expected steps as printed",
                measured=changes[-1],
                test="<",
                limit=-0.1,
                control="with a plus",
                control_measured=changes[1],
            )
        ],
    )
