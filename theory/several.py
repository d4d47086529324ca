"""eq-3 and eq-4 with M references to a prompt: two generalisations, their weights, and their objectives.

eq-4's pool is the G samples and all M references. Imitation and regulariser take the mean over the references, or the
best-scored one alone (the first of equals). Both are eq-3 at M = 1. Collapsed as in thm-1, w_i = (1 + λ) Â_i / G, and

    averaged:   w_m = (β Â_m − λ Ā) / M,   Ā = 1/G Σ_i Â_i = −1/G Σ_m Â_m
    best alone: w_b = β Â_b − λ Ā, and 0 for the others.
"""

import torch
from torch import Tensor

from grao_ref.equations.advantage import standardize
from theory.rules import BETA, LAM, Rule, by_answer

KINDS = ("averaged", "best alone")


def advantages(rewards: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """eq-4 over samples (N, G) and references (N, M) in one pool."""
    pool = torch.cat([rewards, references], dim=-1)
    both = standardize(pool, pool)
    return both[:, : rewards.shape[1]], both[:, rewards.shape[1] :]


def chosen(references: Tensor, kind: str) -> Tensor:
    """The share of each reference (N, M) in J_imitation: 1/M, or all to the best."""
    if kind == "averaged":
        return torch.full_like(references, 1 / references.shape[1])
    return torch.nn.functional.one_hot(references.argmax(-1), references.shape[1]).to(references)


def weights(A_o: Tensor, A_y: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """w_i (N, G) and w_m (N, M)."""
    return (1 + LAM) * A_o / A_o.shape[1], share * (BETA * A_y - LAM * A_o.mean(-1, keepdim=True))


def objective(J_o: Tensor, J_y: Tensor, A_o: Tensor, A_y: Tensor, share: Tensor) -> Tensor:
    """eq-3 term by term, (N,), with J_imitation the references' mean by share."""
    exploration = (A_o * J_o).mean(-1)
    imitation = (share * A_y * J_y).sum(-1)
    alignment = (A_o * (J_o - (share * J_y).sum(-1, keepdim=True))).mean(-1)
    return exploration + BETA * imitation + LAM * alignment


def several(rewards: Tensor, references: list[int], kind: str, ahead: bool = True) -> Rule:
    """A rule on a table (K,) with the references at these indices; `ahead`: max(w_m, 0) for each of them."""
    scores = rewards[references]

    def rule(ids: Tensor) -> Tensor:
        R_y = scores.expand(len(ids), -1)
        w_o, w_y = weights(*advantages(rewards[ids], R_y), chosen(R_y, kind))
        pushed = by_answer(ids, w_o, len(rewards))
        pushed[:, references] += w_y.clamp(min=0) if ahead else w_y
        return pushed

    return rule
