"""eq-1: the objective of SFT."""

import torch

from grao_ref import mean_log_likelihood
from grao_ref.equations.sft import sft_objective
from theory.equations import START, noise
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-1",
    "J_SFT is the mean log-likelihood of the reference's tokens.",
    topic="the equations",
    answer={
        "holds": "Yes: the supervised objective is the average log-probability of the reference answer's tokens, "
        "with the gradient that one gets by hand."
    },
)
def eq_1(run: Run) -> Finding:
    """On a table J_SFT = log π(y), with gradient e_y − π; on an answer of several tokens their mean, not their sum."""
    logits = torch.tensor(START).requires_grad_()
    value = sft_objective(logits.log_softmax(-1)[1:2], torch.tensor([True]))
    (gradient,) = torch.autograd.grad(value, logits)
    closed = torch.eye(3, dtype=torch.float64)[1] - torch.tensor(START).softmax(-1)
    tokens, mask = noise(1, 5), torch.tensor([[True, True, True, False, False]])
    mean = float(mean_log_likelihood(tokens, mask))
    by_hand = float(tokens[0, :3].sum()) / 3
    return Finding(
        "As printed.",
        holds=[
            Check(what="gradient by autograd − (e_y − π)",
                  measured=float((gradient - closed).abs().max()), test="<", limit=1e-12,
                  control="− (e_y + π)",
                  control_measured=float((gradient - closed - 2 * torch.tensor(START).softmax(-1)).abs().max())),
            Check(what="mean over three tokens of five − by hand", measured=abs(mean - by_hand), test="<", limit=1e-12,
                  control="their sum", control_measured=abs(3 * by_hand - mean)),
        ],
    )  # fmt: skip
