"""exp-length: the effect of 1/|o| on long wrong answers."""

import numpy as np
import torch
from torch import Tensor

from theory.groups import advantages, compositions, probabilities
from theory.ledger import Check, Finding, Run, claim


def token_loglik(parameters: Tensor, length: int) -> Tensor:
    """Σ_t log π(o_t) of three answers, right of 1 token, wrong of 1, wrong of L: the first token of three, then L − 1
    more of two each for the long one.
    """
    first, rest = parameters[:3].log_softmax(-1), parameters[3:].view(length - 1, 2).log_softmax(-1)[:, 0].sum()
    return torch.stack([first[0], first[1], first[2] + rest])


def long_wrong_share(length: int, mean: bool, steps: int, rate: float = 0.2) -> float:
    """Share of the long answer among wrong ones after exact GRPO ascent, from equal shares; eq-3's mean, or the sum.

    The long answer, once begun, is as good as certain to be finished: its other continuations are left out.
    """
    parameters = torch.zeros(3 + 2 * (length - 1), dtype=torch.float64)
    parameters[3::2] = 12.0  # the long answer, once begun, is finished
    parameters[0] = -2.0  # success is rare
    counts = compositions(8, 3)
    by_level, _ = advantages(
        np.column_stack([counts[:, 0], counts[:, 1:].sum(1)]), np.array([1.0, 0.0]), 1.0, "outputs"
    )
    A_o = by_level[:, [0, 1, 1]]  # both wrong answers earn the same
    lengths = torch.tensor([1.0, 1.0, length if mean else 1.0], dtype=torch.float64)
    for _ in range(steps):
        leaf = parameters.clone().requires_grad_()
        loglik = token_loglik(leaf, length)
        probability = probabilities(counts, loglik.detach().numpy())
        weight = torch.tensor(probability @ (counts * A_o)) / 8
        (gradient,) = torch.autograd.grad((weight * loglik / lengths).sum(), leaf)
        parameters = parameters + rate * gradient
    wrong = token_loglik(parameters, length).exp()[1:]
    return float(wrong[1] / wrong.sum())


@claim(
    "exp-length",
    "Dividing by |o| lowers long wrong answers less than short ones.",
    topic="length and temperature",
    answer={
        "holds": "Yes: averaging over an answer's tokens lowers long wrong answers less than short ones, so that "
        "most of the wrong answers that remain are long."
    },
)
def exp_length(run: Run) -> Finding:
    """An autoregressive table: one right answer and two wrong ones, equally likely, of 1 and of L tokens. Under eq-3's
    mean each token of a wrong answer of L tokens is lowered by 1/L, so its first token, where the choice is made, is
    lowered L times less than the short one's. Under the sum both are lowered alike. Exact, by autograd on the
    enumeration.
    """
    steps = run.pick(40, 150, 600)
    share = {(length, mean): long_wrong_share(length, mean, steps) for length in (2, 4, 16) for mean in (True, False)}
    return Finding(
        f"Yes: with L = 16 the long answer is {share[16, True]:.0%} of what is still wrong, from an even start; with "
        f"the sum {share[16, False]:.0%}. The bias is Dr. GRPO's, and eq-3 has it by its definition.",
        holds=[Check(what="share of the long answer among the wrong ones, L = 16, mean",
                     measured=share[16, True], test=">", limit=0.6,
                     control="sum", control_measured=share[16, False])],
        numbers={f"share of the long answer among the wrong ones, L = {length}, {'mean' if mean else 'sum'}": value
                 for (length, mean), value in share.items()},
    )  # fmt: skip
