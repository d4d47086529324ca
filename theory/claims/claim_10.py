"""claim-10: when the reference is imitated."""

import numpy as np

from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim
from theory.unlearning import KINDS, REWARDS, G


def imitation_weight(successes: int, kind: str = "as printed", reference: float = 1.0) -> float:
    """w_y of a group with so many successes (reward 1) among failures (0), and a reference of reward `reference`."""
    bandit = ExactBandit(np.array([1.0, reference, 0.0]), 1, G, **KINDS[kind])
    counts, _, _, _, w_y = bandit.groups()
    return float(w_y[(counts[:, 0] == G - successes) & (counts[:, -1] == successes)][0])


@claim(
    "claim-10",
    "Imitation happens only where the policy's own results are wrong; then it explores, and transcends y.",
    topic="when GRAO helps and hurts",
    answer={
        "holds under conditions": "Training does pass from imitation to exploration and beyond the reference, but "
        "imitation goes on while most samples are right, and as printed it then turns "
        "negative."
    },
)
def claim_10(run: Run) -> Finding:
    """w_y has the sign of R(y) − mean R (thm-1): the reference is imitated while it beats the *average* sample. So with
    7 of 8 samples right it is still imitated. With all 8 better than the reference its weight is not 0 but negative
    (thm-4). For the last half of the claim: V passes R(y) on the exact flow, and E[w_y] changes sign along it.
    """
    steps = run.pick(200, 600, 2000)
    phases = {kind: _phases(kind, steps) for kind in ("as printed", "repaired")}
    return Finding(
        "There are three phases: imitation, exploration, better than the reference. But imitation depends on the "
        "mean of the group, not on whether any sample is wrong, and as printed its weight does not become 0 but "
        "negative.",
        holds=[
            Check(what="w_y where all samples fail", measured=imitation_weight(0), test=">", limit=0.5,
                  control="where all succeed like y", control_measured=imitation_weight(G)),
            Check(what="V at the end of the exact flow, above R(y)",
                  measured=phases["repaired"]["V at the end"] - 0.5, test=">", limit=0.3,
                  control="of imitation alone (SFT)", control_measured=_sft_end(steps) - 0.5),
            Check(what="|w_y| where all samples beat y, repaired",
                  measured=abs(imitation_weight(G, "repaired", 0.5)), test="<", limit=1e-12,
                  control="as printed", control_measured=abs(imitation_weight(G, "as printed", 0.5))),
        ],
        fails=[
            Check(what="w_y with 7 of 8 samples right", measured=imitation_weight(7), test=">", limit=0.1,
                  control="with 8 of 8", control_measured=imitation_weight(8)),
            Check(what="w_y where all samples beat y, as printed",
                  measured=imitation_weight(G, "as printed", 0.5), test="<", limit=-1.0,
                  control="repaired", control_measured=imitation_weight(G, "repaired", 0.5)),
        ],
        numbers={f"{what}, {kind}": value for kind, phase in phases.items() for what, value in phase.items()},
    )  # fmt: skip


def _phases(kind: str, steps: int) -> dict[str, float]:
    bandit = ExactBandit(REWARDS, 1, G, **KINDS[kind])
    theta, weight = np.log([0.01, 0.01, 0.98]), bandit.groups()[4]
    first = bandit.expectation(theta, weight)
    for _ in range(steps):
        theta = theta + 0.2 * bandit.update(theta)
    return {
        "V at the end": bandit.value(theta),
        "E[w_y] at the start": first,
        "E[w_y] at the end": bandit.expectation(theta, weight),
    }


def _sft_end(steps: int) -> float:
    theta = np.log([0.01, 0.01, 0.98])
    for _ in range(steps):
        pi = np.exp(theta) / np.exp(theta).sum()
        theta = theta + 0.2 * (np.eye(3)[1] - pi)
    return ExactBandit(REWARDS, 1).value(theta)
