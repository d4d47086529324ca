"""How likely a model finds the two answers of each held-out pair: y, which people chose, and the rejected one."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Of N pairs, the chosen answer first: log π of each whole answer at temperature 1, and its tokens."""

    logprobs: Float[Tensor, "N 2"]  # in nats
    tokens: Int[Tensor, "N 2"]

    @property
    def ahead(self) -> Float[Tensor, "N"]:
        """log π(y⁺)/|y⁺| − log π(y⁻)/|y⁻|, nats a token."""
        each = self.logprobs / self.tokens
        return each[:, 0] - each[:, 1]

    def gained(self, before: "Pairs") -> Float[Tensor, "N"]:
        """log π/π_base (y⁺) − log π/π_base (y⁻), nats: DPO's margin (arXiv:2305.18290), but for its factor β."""
        moved = self.logprobs - before.logprobs
        return moved[:, 0] - moved[:, 1]


def share_ahead(margins: Float[Tensor, "N"]) -> float:
    """The share of the pairs whose chosen answer is ahead; a tie counts half.

    >>> import torch
    >>> share_ahead(torch.tensor([2.0, 0.0, -1.0, 0.5]))
    0.625
    """
    return ((margins > 0).double() + 0.5 * (margins == 0).double()).mean().item()
