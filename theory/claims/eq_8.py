"""eq-8: the gradient of eq-3, term by term."""

import torch

from grao_ref import group_advantages
from theory.equations import BETA, LAM, REWARDS, START, literal
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-8",
    "∇̂J = 1/G Σ Â_i ∇J_exp(i) + β Â_y ∇J_ref + λ 1/G Σ Â_i (∇J_exp(i) − ∇J_ref).",
    topic="the equations",
    answer={"holds": "Yes: differentiating the objective gives exactly the gradient that the paper prints."},
)
def eq_8(run: Run) -> Finding:
    """Advantages are constants, so the gradient of eq-3 is its terms' gradients. On a table ∇J_exp(i) = e_i − π."""
    logits, group = torch.tensor(START).requires_grad_(), torch.tensor([0, 1, 2, 2, 0, 1, 1, 2])
    log_pi, table = logits.log_softmax(-1), torch.tensor(REWARDS)
    value = literal(table[group], table[1], log_pi[group], log_pi[1])
    (gradient,) = torch.autograd.grad(value, logits)
    A_o, A_y = group_advantages(table[group], table[1])
    eye, pi = torch.eye(3, dtype=torch.float64), torch.tensor(START).softmax(-1)
    own, reference = eye[group] - pi, eye[1] - pi
    exploration, imitation = (A_o[:, None] * own).mean(0), BETA * A_y * reference
    difference = gradient - exploration - imitation - LAM * (A_o[:, None] * (own - reference)).mean(0)
    without = difference - LAM * A_o.mean() * reference
    return Finding(
        "As printed.",
        holds=[Check(what="|autograd − eq-8|", measured=float(difference.abs().max()), test="<", limit=1e-12,
                     control="without the regulariser's ∇J_ref", control_measured=float(without.abs().max()))],
    )  # fmt: skip
