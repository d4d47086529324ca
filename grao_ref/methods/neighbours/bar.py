"""Reference as bar: a sample is reinforced by how far it clears the reference, not by how close it comes to it."""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.masked import hide, masked_mean, over_scored
from grao_ref.methods.interface import standardized
from grao_ref.methods.weighted import ahead, weighted
from grao_ref.records import Advantages, Rewards
from grao_ref.settings.config import Config


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """eq-4 with the reference in the pool."""
    return standardized(rewards, pool="with_reference")


def weights(A: Advantages, rewards: Rewards, config: Config) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """w_i = (1+λ)/n (Â_i − max(Â_y, 1/n Σ_j Â_j)), which is (1+λ)/n (R_i − max(R(y), μ)) / σ.

    w_y = (β + λ/G) Â_y while no sample is as good as y, and 0 from then on.
    """
    beta, lam, size = config.imitation_coef, config.alignment_coef, A.outputs.shape[-1]
    bar = masked_mean(A.outputs, rewards.scored)
    bar = torch.where(rewards.reference_scored, torch.maximum(A.reference, bar), bar)
    w_o = (1 + lam) / size * over_scored(hide(A.outputs - bar[:, None], rewards.scored), rewards.scored)
    return w_o, torch.where(ahead(rewards), (beta + lam / size) * A.reference, 0)


BAR = weighted("bar", weights, advantages, reads=("imitation_coef", "alignment_coef"))
