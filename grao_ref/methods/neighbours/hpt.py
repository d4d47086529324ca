"""HPT (arXiv:2509.04419): SFT on the reference where no sample of its group succeeds, RL on the others.

Success is read as being as good as the reference; the paper's rewards are right or wrong, and its references right.
RL is GRPO with eq-4's deviation; published settings for it leave that out.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.masked import over_scored
from grao_ref.methods.interface import standardized
from grao_ref.methods.weighted import ahead, weighted
from grao_ref.records import Advantages, Rewards
from grao_ref.settings.config import Config


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """GRPO's."""
    return standardized(rewards, pool="outputs")


def weights(A: Advantages, rewards: Rewards, config: Config) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """w_i = 0 and w_y = 1 where every R_i < R(y); elsewhere w_i = Â_i / n and w_y = 0."""
    alone = ahead(rewards)
    w_o = over_scored(A.outputs, rewards.scored) / A.outputs.shape[-1]
    return torch.where(alone[:, None], 0, w_o), alone.to(w_o.dtype)


HPT = weighted("hpt", weights, advantages)
