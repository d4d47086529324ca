"""Several rewards of an answer: normalise after summing (GRPO) or before (GDPO, MO-GRPO), as rules."""

import torch
from torch import Tensor

from grao_ref.equations.advantage import standardize
from grao_ref.equations.grao import likelihood_weights_while_ahead
from theory.rules import BETA, LAM, Rule, by_answer

AFTER, BEFORE = "after summing", "before summing"


def multi_advantages(rewards: Tensor, pool: Tensor, weights: Tensor, order: str) -> Tensor:
    """Â of answers (N, M, L) measured against a pool (N, P, L), by weights (L,) or (N, L): (N, M)."""
    shares = weights.expand(len(rewards), -1)[:, None]
    if order == AFTER:
        return standardize((rewards * shares).sum(-1), (pool * shares).sum(-1))
    each = standardize(rewards.transpose(1, 2), pool.transpose(1, 2)).transpose(1, 2)
    return (each * shares).sum(-1)


def multi(table: Tensor, weights: Tensor, order: str, reference: int | None = None) -> Rule:
    """A table (K, L). Without a reference, GRPO on the outputs; with one, repaired GRAO with it in the pool."""

    def rule(ids: Tensor) -> Tensor:
        rewards = table[ids]
        if reference is None:
            return by_answer(ids, multi_advantages(rewards, rewards, weights, order) / ids.shape[1], len(table))
        pool = torch.cat([rewards, table[reference].expand(len(ids), 1, -1)], dim=1)
        A = multi_advantages(pool, pool, weights, order)
        w_o, w_y = likelihood_weights_while_ahead(A[:, :-1], A[:, -1], beta=BETA, lam=LAM)
        pushed = by_answer(ids, w_o, len(table))
        pushed[:, reference] += w_y
        return pushed

    return rule
