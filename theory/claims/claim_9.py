"""claim-9: learning from groups whose samples all fail."""

from dataclasses import replace
from math import sqrt

import numpy as np

from theory.exact import ExactBandit
from theory.family import by_autograd, group
from theory.ledger import Check, Finding, Run, claim

G = 8


def pull(pool: str, reference: float, p: float = 1e-9, only_when_ahead: bool = False) -> float:
    """‖F‖ of eq-3 where the policy fails but for a share p: rewards 1 and 0, and y, of reward `reference`, as rare."""
    bandit = ExactBandit(np.array([1.0, reference, 0.0]), 1, G, pool=pool, only_when_ahead=only_when_ahead)
    return float(np.linalg.norm(bandit.update(np.log([p, p, 1 - 2 * p]))))


def _repaired(pool: str) -> float:
    return pull(pool, 0.5, only_when_ahead=True)


def weight_on_failures(name: str, critic: float = 0.0) -> float:
    """Σ |w| that a method puts on eight failures where its critic expects this much reward of them."""
    w_o, _ = by_autograd(name, replace(group([0.0] * G, 0.5, 0.1), value=critic))
    return float(w_o.abs().sum())


@claim(
    "claim-9",
    "Learning goes on where all samples fail, unlike GRPO and PPO, which discard such queries.",
    topic="when GRAO helps and hurts",
    answer={
        "holds under conditions": "If the reference is better and in the group's statistics, GRAO learns from a "
        "group of failures; GRPO doesn't, but PPO does while it expects more than they "
        "got."
    },
)
def claim_9(run: Run) -> Finding:
    """It holds in `with_reference` for a reference that beats the failures, by however little: ‖F‖ -> (β + λ/G) √(2G).
    It does not hold in `outputs`, the literal reading of eq-4, where σ = 0 and every advantage is 0, nor for a
    reference that fails too. PPO does not discard such a query: its weight on a failure is (0 − V)/G, which is 0 only
    once its critic expects 0.
    """
    full = (0.5 + 0.6 / G) * sqrt(2 * G)
    return Finding(
        "Here the two readings of eq-4 differ. The size of the gradient does not depend on how much better the "
        "reference is: a lead of 0.001 has the same effect as a lead of 1. Of the two methods that are said to "
        "discard such queries, GRPO does, and PPO does not while its critic expects more than the failures got.",
        holds=[
            Check(what="‖F‖ / its limit, all samples fail, reference pooled",
                  measured=pull("with_reference", 0.5) / full, test=">", limit=0.999,
                  control="in `outputs`", control_measured=pull("outputs", 0.5) / full),
            Check(what="‖F‖ / its limit with the repair",
                  measured=_repaired("with_reference") / full, test=">", limit=0.999,
                  control="in `outputs` with the repair", control_measured=_repaired("outputs") / full),
            Check(what="‖F‖ / its limit, R(y) ahead by 0.001",
                  measured=pull("with_reference", 0.001) / full, test=">", limit=0.999,
                  control="R(y) not ahead", control_measured=pull("with_reference", 0.0) / full),
            Check(what="Σ |w| of GRPO on eight failures", measured=weight_on_failures("GRPO"), test="<", limit=1e-12,
                  control="PPO, critic expects 0.2", control_measured=weight_on_failures("PPO", 0.2)),
        ],
        fails=[
            Check(what="‖F‖ in `outputs`, all samples fail", measured=pull("outputs", 0.5), test="<", limit=1e-6,
                  control="reference pooled", control_measured=pull("with_reference", 0.5)),
            Check(what="‖F‖ where the reference fails as well, reference pooled",
                  measured=pull("with_reference", 0.0), test="<", limit=1e-6,
                  control="where it does not", control_measured=pull("with_reference", 0.5)),
            Check(what="Σ |w| of PPO on eight failures, critic expects 0.2",
                  measured=weight_on_failures("PPO", 0.2), test=">", limit=0.1,
                  control="critic expects 0", control_measured=weight_on_failures("PPO", 0.0)),
        ],
    )  # fmt: skip
