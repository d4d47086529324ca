"""GRAO repaired, with imitation only while no sample of the group is as good as the reference."""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.grao import likelihood_weights_while_ahead
from grao_ref.equations.masked import over_scored
from grao_ref.methods.neighbours.bar import advantages
from grao_ref.methods.weighted import ahead, weighted
from grao_ref.records import Advantages, Rewards
from grao_ref.settings.config import Config


def weights(A: Advantages, rewards: Rewards, config: Config) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """thm-1's w_i = (1+λ) Â_i / n, and w_y = (β + λ/G) max(Â_y, 0) where every R_i < R(y), else 0."""
    outputs = over_scored(A.outputs, rewards.scored)
    beta, lam = config.imitation_coef, config.alignment_coef
    w_o, w_y = likelihood_weights_while_ahead(outputs, A.reference, beta=beta, lam=lam)
    return w_o, torch.where(ahead(rewards), w_y, 0)


CAPPED = weighted("capped", weights, advantages, reads=("imitation_coef", "alignment_coef"))
