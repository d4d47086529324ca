"""A1: the smoothness of J."""

import numpy as np

from theory.exact import ExactBandit
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

G = 8


def lipschitz(rewards: Array, pool: str, reach: float, points: int) -> float:
    """Largest ‖∂F/∂θ‖ over a grid of logits."""
    bandit, axis = ExactBandit(rewards, 2, G, pool=pool), np.linspace(-reach, reach, points)
    return max(float(np.linalg.norm(bandit.jacobian(np.array([a, b, 0.0])), 2)) for a in axis for b in axis)


@claim(
    "A1",
    "J is L-smooth.",
    topic="convergence",
    answer={
        "holds under conditions": "The expected step changes smoothly if the reference's reward is part of the "
        "group's statistics; if not, near-ties make it change arbitrarily fast."
    },
)
def a_1(run: Run) -> Finding:
    """The on-policy update F is not the gradient of any J (thm-5), so smooth can only mean that F is Lipschitz. It is
    in `with_reference`, where all weights are bounded. In `outputs` the constant grows like 1 over the gap of a
    near-tie, so no single L holds for all rewards.
    """
    points = run.pick(5, 15, 41)
    constants = {(pool, gap): lipschitz(np.array([1.0, 1 - gap, 0.5]), pool, 6, points)
                 for pool in ("with_reference", "outputs") for gap in (0.1, 0.001)}  # fmt: skip
    growth = {pool: constants[pool, 0.001] / constants[pool, 0.1] for pool in ("with_reference", "outputs")}
    return Finding(
        f"Lipschitz with the reference pooled (‖∂F‖ <= {constants['with_reference', 0.001]:.1f} whatever the tie), "
        "not without.",
        holds=[Check(what="growth of sup ‖∂F‖ as a tie's gap goes from 0.1 to 0.001, reference pooled",
                     measured=growth["with_reference"], test="<", limit=2.0,
                     control="`outputs`", control_measured=growth["outputs"])],
        fails=[Check(what="the same in `outputs`", measured=growth["outputs"], test=">", limit=20.0,
                     control="reference pooled", control_measured=growth["with_reference"])],
        numbers={f"sup ‖∂F‖, {pool}, gap {gap:g}": value for (pool, gap), value in constants.items()},
    )  # fmt: skip
