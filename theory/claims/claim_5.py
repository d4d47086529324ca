"""claim-5: the bound on β against imitation dominance."""

from math import sqrt

import numpy as np

from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim

G, LAM = 8, 0.6
REWARDS = np.array([1.0, 0.5, 0.0])
START = np.log([0.1, 0.2, 0.7])


def frozen_smoothness(beta: float) -> float:
    """L of eq-3 for frozen samples: its Hessian is −(Σ w)(diag π − π πᵀ), so L = sup |Σ w| / 2, over all groups."""
    counts, _, _, w_o, w_y = ExactBandit(REWARDS, 1, G, beta, LAM).groups()
    return float(np.abs((counts * w_o).sum(1) + w_y).max()) / 2


def threshold() -> float:
    """The β that solves β = 1 / (L(β) ‖∇J_ref‖) at the start: claim-5's bound, which depends on β itself through L."""
    norm = float(np.linalg.norm(np.eye(3)[1] - np.exp(START)))
    low, high = 1e-3, 1e3
    for _ in range(100):
        middle = sqrt(low * high)
        low, high = (middle, high) if middle * frozen_smoothness(middle) * norm < 1 else (low, middle)
    return low


def outcome(beta: float, steps: int) -> float:
    """V after exact ascent with the repaired field, η = 0.2."""
    bandit, theta = ExactBandit(REWARDS, 1, G, beta, LAM, only_when_ahead=True), START
    for _ in range(steps):
        theta = theta + 0.2 * bandit.update(theta)
    return bandit.value(theta)


def dominance(beta: float) -> float:
    """|w_y| / (Σ|w_i| + |w_y|) in a group whose samples all fail: (β + λ/G) √G against (1 + λ)/√G."""
    own = (beta + LAM / G) * sqrt(G)
    return own / (own + (1 + LAM) / sqrt(G))


@claim(
    "claim-5",
    "0 < β < 1/(L E‖∇J_ref‖) prevents imitation dominance.",
    topic="when GRAO helps and hurts",
    answer={
        "fails": "No: at half the proposed limit the reference still has more weight than all failing samples "
        "together; the limit that prevents it depends on the group's size instead."
    },
)
def claim_5(run: Run) -> Finding:
    """L of eq-3 grows with β, so β is on both sides of the bound; it is solved at one start by bisection. If dominance
    means that the reference has more weight than all samples together, it holds in a group of failures exactly for β >
    1/G: (β + λ/G) √G > (1 + λ)/√G. Neither L nor ‖∇J_ref‖ enters this condition. And the outcome changes as smoothly
    with β at the threshold as anywhere else.
    """
    limit, steps = threshold(), run.pick(10, 15, 15)
    across = abs(outcome(1.02 * limit, steps) - outcome(0.98 * limit, steps))
    grid = [limit * x for x in run.pick([0.03, 10], [0.03, 0.1, 0.3, 1, 3, 10], [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30])]
    found = {beta: outcome(beta, steps) for beta in grid}
    span = max(found.values()) - min(found.values())
    return Finding(
        f"The threshold is β = {limit:.2f} here. At half of it imitation has {dominance(limit / 2):.0%} of the "
        f"weight in a group of failures; it stops dominating below β = 1/G = {1 / G:g}, which no L enters.",
        fails=[
            Check(what="imitation's share of the weight at half the threshold",
                  measured=dominance(limit / 2), test=">", limit=0.5,
                  control="at β just below 1/G", control_measured=dominance(0.99 / G)),
            Check(what="share of V's range over the grid that lies within 2 % of the threshold",
                  measured=across / span, test="<", limit=0.05,
                  control="within a factor of 3",
                  control_measured=abs(outcome(3 * limit, steps) - outcome(limit / 3, steps)) / span),
        ],
        numbers={"threshold": limit, "imitation's share at β = 0.5": dominance(0.5)}
        | {f"V after {steps} steps, β = {beta:.3g}": value for beta, value in found.items()},
    )  # fmt: skip
