"""A2: the bound on the gradient of a log-likelihood."""

from math import sqrt

import numpy as np
import torch

from theory.ledger import Check, Finding, Run, claim


def log_gradient(scale: float, table: bool) -> float:
    """‖∇log π(a)‖ of a table, and of the smallest network there is: two logits ±u·v, at u = v = scale."""
    weights = torch.full((2,), scale, dtype=torch.float64, requires_grad=True)
    logits = weights if table else torch.stack([weights[0] * weights[1], -weights[0] * weights[1]])
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[1], weights)
    return float(gradient.norm())


@claim(
    "A2",
    "‖∇log π‖ <= B.",
    topic="convergence",
    answer={
        "holds under conditions": "The gradient of a log-probability is bounded where the parameters are the logits; "
        "in a network it is only while the weights stay bounded."
    },
)
def a_2(run: Run) -> Finding:
    """In a softmax table ∇log π(a) = e_a − π, of length below √2, which is approached as π(a) -> 0 and another action
    takes all the probability. In a network with logits u·v and −u·v the gradient is proportional to the weights, so it
    is unbounded on an unbounded parameter space.
    """
    rng = np.random.default_rng(0)
    policies = rng.dirichlet([0.02] * 4, size=run.pick(500, 5000, 50000))
    lengths = [np.linalg.norm(np.eye(4) - pi, axis=1).max() for pi in policies]
    return Finding(
        "With B = √2 in a table; in a network only while its weights stay bounded, which training does not enforce.",
        holds=[Check(what="largest ‖e_a − π‖ over random policies",
                     measured=float(max(lengths)), test="<", limit=sqrt(2) + 1e-9,
                     control="the network at weights of 100", control_measured=log_gradient(100.0, table=False))],
        fails=[Check(what="‖∇log π‖ of the network, weights 100 over weights 10",
                     measured=log_gradient(100.0, False) / log_gradient(10.0, False), test=">", limit=5.0,
                     control="of a table", control_measured=log_gradient(100.0, True) / log_gradient(10.0, True))],
    )  # fmt: skip
