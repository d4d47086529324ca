"""What the loop asks of a policy. The tabular bandit and a causal language model look the same through it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Samples, Tokens


@runtime_checkable
class Policy(Protocol):
    """Samples groups, scores groups, and owns the parameters that are trained."""

    device: torch.device
    """Where its parameters are, and where it wants its batches and its random generator."""

    def sample(
        self,
        prompts: Tokens,
        num_generations: int,
        *,
        temperature: float,
        rng: torch.Generator,
        likelihood_temperature: float | None = None,
    ) -> Samples:
        """G answers to each prompt, without gradient, drawn at `temperature`.

        Their log-probabilities are those at `likelihood_temperature`, which is the same unless it is given.
        """

    def logprobs(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> Float[Tensor, "N G T"]:
        """log π(token) of given answers, with gradient; 0 behind the mask."""

    def values(self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G T"]:
        """The critic's V before each token, with gradient (PPO); 0 behind the mask."""

    def parameters(self) -> Iterable[Tensor]:
        """What an optimiser may change: the policy's and the critic's."""

    def frozen(self) -> "Policy":
        """The policy as it is now, which training won't change: the anchor of a KL penalty, and of DPO."""

    def save(self, folder: Path) -> None:
        """Write all that training changes into a folder, as safetensors."""

    def load(self, folder: Path) -> None:
        """Take back what `save` wrote."""
