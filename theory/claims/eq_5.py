"""eq-5: the relative adversarial score, RAS."""

import torch

from grao_ref import relative_adversarial_score
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-5",
    "RAS is the share of answers that beat their reference.",
    topic="the equations",
    answer={
        "holds": "Yes: this score is the share of answers that beat their reference, and by the equation a tie doesn't "
        "count as a win."
    },
)
def eq_5(run: Run) -> Finding:
    """Its expectation is the policy's probability of a win; ties count as losses. The appendix's "win and tie rates"
    are another number, larger by the share of ties.
    """
    scores = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, -1.0])
    strict, ties = relative_adversarial_score(scores), relative_adversarial_score(scores, ties="win")
    return Finding(
        "As printed. The text and the equation differ by the ties, which no table reports.",
        holds=[Check(what="|RAS − 2/6| of two wins, three ties, one loss",
                     measured=abs(strict - 2 / 6), test="<", limit=1e-12,
                     control="with ties as wins", control_measured=abs(ties - 2 / 6))],
        numbers={"RAS": strict, "ties as wins": ties},
    )  # fmt: skip
