"""What the loop asks of a policy. The tabular bandit and a causal language model look the same through it."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Samples, Tokens


@runtime_checkable
class Policy(Protocol):
    """Samples groups, scores groups, and owns the parameters that are trained."""

    def sample(self, prompts: Tokens, num_generations: int, *, temperature: float, rng: torch.Generator) -> Samples:
        """G answers to each prompt, without gradient, with the log-probabilities they were sampled at."""

    def logprobs(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> Float[Tensor, "N G T"]:
        """log π(token) of given answers, with gradient; 0 behind the mask."""

    def values(self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G T"]:
        """The critic's V before each token, with gradient (PPO); 0 behind the mask."""

    def parameters(self) -> Iterable[Tensor]:
        """What an optimiser may change: the policy's and the critic's."""
