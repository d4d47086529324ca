"""RLOO (arXiv:2402.14740): each sample's reward against the mean of the others'. It never reads y."""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.masked import hide, masked_mean, over_scored
from grao_ref.methods.weighted import no_reference, weighted
from grao_ref.records import Advantages, Rewards
from grao_ref.settings.config import Config


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """A_i = R_i − 1/(n−1) Σ_{j≠i} R_j = n/(n−1) (R_i − μ_r), over the n samples that could be scored."""
    n = rewards.scored.sum(dim=-1, keepdim=True, dtype=rewards.outputs.dtype)  # not float32 where rewards are not
    mean = masked_mean(rewards.outputs, rewards.scored)[:, None]
    left_out = n / (n - 1).clamp(min=1) * (rewards.outputs - mean)
    return Advantages(hide(left_out, rewards.scored), torch.zeros_like(rewards.reference))


def weights(A: Advantages, rewards: Rewards, config: Config) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """w_i = A_i / n. It averages each answer's log-likelihood over its tokens, as eq-3 does, where RLOO sums them."""
    return no_reference(over_scored(A.outputs, rewards.scored) / A.outputs.shape[-1])


RLOO = weighted("rloo", weights, advantages, references=False)
