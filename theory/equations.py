"""What the claims eq-1 to eq-9 share: one bandit, random numbers, and eq-3 as the package computes it."""

import numpy as np
import torch
from torch import Tensor

from grao_ref import grao_objective, group_advantages

BETA, LAM, G = 0.5, 0.6, 8
REWARDS, START = np.array([1.0, 0.7, 0.0]), np.log([0.2, 0.3, 0.5])


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def literal(rewards: Tensor, reference: Tensor, J_o: Tensor, J_y: Tensor, lam: float = LAM) -> Tensor:
    """eq-3 by the package."""
    A_o, A_y = group_advantages(rewards, reference)
    return grao_objective(J_o, J_y, A_o, A_y, beta=BETA, lam=lam).total
