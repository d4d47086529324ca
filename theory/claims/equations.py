"""eq-1 to eq-4: each as the package has it, against a second way to the same number."""

from math import sqrt

import numpy as np
import torch
from torch import Tensor

from grao_ref import (
    grao_objective,
    group_advantages,
    mean_log_likelihood,
)
from grao_ref.equations.sft import sft_objective
from theory.exact import ExactBandit
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

BETA, LAM, G = 0.5, 0.6, 8
REWARDS, START = np.array([1.0, 0.7, 0.0]), np.log([0.2, 0.3, 0.5])


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def twin(rewards: Array, reference: float, ell: Array, ell_y: float, prose: bool = False) -> float:
    """eq-3 for one group as a loop over its samples, advantages of eq-4 with the reference pooled.

    `prose` puts the β of the text around eq-3 on its first term, where the equation has none.
    """
    pool = [*rewards, reference]
    mu = sum(pool) / len(pool)
    sigma = sqrt(sum((r - mu) ** 2 for r in pool) / len(pool))
    A_y, total = (reference - mu) / sigma, 0.0
    for r, each in zip(rewards, ell, strict=True):
        A = (r - mu) / sigma
        total += (BETA if prose else 1) * A * each + BETA * A_y * ell_y + LAM * A * (each - ell_y)
    return total / len(rewards)


def literal(rewards: Tensor, reference: Tensor, J_o: Tensor, J_y: Tensor, lam: float = LAM) -> Tensor:
    """eq-3 by the package."""
    A_o, A_y = group_advantages(rewards, reference)
    return grao_objective(J_o, J_y, A_o, A_y, beta=BETA, lam=lam).total


@claim("eq-1", "J_SFT is the mean log-likelihood of the reference's tokens.")
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
            Check("gradient by autograd − (e_y − π)", float((gradient - closed).abs().max()), "<", 1e-12,
                  "− (e_y + π)", float((gradient - closed - 2 * torch.tensor(START).softmax(-1)).abs().max())),
            Check("mean over three tokens of five − by hand", abs(mean - by_hand), "<", 1e-12, "their sum",
                  abs(3 * by_hand - mean)),
        ],
    )  # fmt: skip


@claim("eq-2", "GRAO's expectation is over (q, y) and over groups that π_θold samples.")
def eq_2(run: Run) -> Finding:
    """Printed without its integrand; read with eq-3's bracket. E[J] of a bandit by enumeration of all groups, and by
    sampling groups through the package's functions, agree within the sampling error.
    """
    rows, logits = run.pick(4000, 40000, 400000), torch.tensor(START)
    groups = torch.multinomial(logits.softmax(-1).expand(rows, 3), G, replacement=True,
                               generator=torch.Generator().manual_seed(0))  # fmt: skip
    log_pi, table = logits.log_softmax(-1), torch.tensor(REWARDS)
    sampled = {lam: literal(table[groups], table[1].expand(rows), log_pi[groups], log_pi[1].expand(rows), lam)
               for lam in (LAM, 1.2)}  # fmt: skip
    exact = ExactBandit(REWARDS, 1, G, BETA, LAM).objective(START, START)
    scores = {lam: abs(each.mean().item() - exact) / (each.std().item() / sqrt(rows)) for lam, each in sampled.items()}
    return Finding(
        "Enumerated and sampled expectations agree.",
        holds=[Check("|sampled − enumerated E[J]| in standard errors", scores[LAM], "<", 4.5, "sampled with λ = 1.2",
                     scores[1.2])],
        numbers={"E[J] by enumeration": exact},
    )  # fmt: skip


@claim("eq-3", "J is the mean over the group of its three terms, β and λ where eq-3 prints them.")
def eq_3(run: Run) -> Finding:
    """The package against a loop over samples in plain Python. The prose around eq-3 puts a β on the first term; the
    equation does not, and the equation is what is here.
    """
    error, prose = 0.0, np.inf
    for seed in range(run.pick(20, 200, 2000)):
        r, ell = noise(G + 1, seed=seed), -noise(G + 1, seed=seed + 10**6).abs()
        value = literal(r[:-1], r[-1], ell[:-1], ell[-1]).item()
        arguments = r[:-1].numpy(), r[-1].item(), ell[:-1].numpy(), ell[-1].item()
        error = max(error, abs(value - twin(*arguments)))
        prose = min(prose, abs(value - twin(*arguments, prose=True)))
    return Finding(
        "As printed; the text around it describes another objective.",
        holds=[Check("|package − plain loop|", error, "<", 1e-12, "with the β of the prose", prose)],
    )


@claim("eq-4", "Â = (R − μ_r)/σ_r over the group, with the population's deviation.")
def eq_4(run: Run) -> Finding:
    """Two readings of the pool (thm-2, thm-3) and no word on σ_r = 0, of probability p^G + (1−p)^G. Here a
    flat pool gives exactly 0, without an ε. Invariant under R -> a R + c, so that a judge's R(o, y) and a reward
    model's r(o) − r(y) are one.
    """
    rewards, reference = noise(100, G), noise(100, seed=1)
    A_o, _ = group_advantages(rewards, reference, pool="outputs")
    closed = (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, correction=0, keepdim=True)
    bessel = (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, correction=1, keepdim=True)
    pooled, _ = group_advantages(rewards, reference)
    shifted, _ = group_advantages(rewards - reference[:, None], torch.zeros(100, dtype=torch.float64))
    flat, _ = group_advantages(torch.full((1, 7), 0.95), torch.tensor([0.95]))
    one_off = torch.tensor([0.95] * 6 + [0.96])[None]
    return Finding(
        "As printed, where it is defined.",
        holds=[
            Check("|package − (R − μ)/σ|", float((A_o - closed).abs().max()), "<", 1e-12, "the sample deviation",
                  float((A_o - bessel).abs().max())),
            Check("|Â of r(o) and r(y) − Â of r(o) − r(y) and 0|", float((pooled - shifted).abs().max()), "<", 1e-12,
                  "R(y) left as it was", float((pooled - group_advantages(rewards - reference[:, None], reference)[0])
                                               .abs().max())),
            Check("|Â| of seven rewards of 0.95 in float32", float(flat.abs().max()), "<", 1e-30, "one of them 0.96",
                  float(group_advantages(one_off, torch.tensor([0.95]))[0].abs().max())),
        ],
    )  # fmt: skip
