"""The interface between the loop and a policy: the tabular bandit and a causal language model both implement it."""

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
    """Where its parameters are, and where batches and the random generator have to be."""

    def sample(
        self,
        prompts: Tokens,
        num_generations: int,
        *,
        temperature: float,
        rng: torch.Generator,
        likelihood_temperature: float | None = None,
        parts: int = 1,
    ) -> Samples:
        """G answers to each prompt, without gradient, drawn at `temperature`.

        Their log-probabilities are those at `likelihood_temperature`, which is the same unless it is given. `parts`:
        the most pieces in which the prompts may be answered in turn, to save memory; the samples don't depend on it.
        """

    def logprobs(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> Float[Tensor, "N G T"]:
        """log π(token) of given answers, with gradient; 0 where the mask is False.

        Rows whose mask is False throughout need not be forwarded. A group may hold any answers to a prompt.
        """

    def values(self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G T"]:
        """The critic's V before each token, with gradient (PPO); 0 where the mask is False."""

    def logprobs_and_values(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> tuple[Float[Tensor, "N G T"], Float[Tensor, "N G T"]]:
        """`logprobs` and `values` at once, which may share their work."""

    def parameters(self) -> Iterable[Tensor]:
        """What an optimiser may change: the policy's and the critic's."""

    def frozen(self) -> "Policy":
        """A copy that training does not change: the reference model of a KL penalty, and of DPO."""

    def save(self, folder: Path) -> None:
        """Write all that training changes into a folder, as safetensors."""

    def load(self, folder: Path) -> None:
        """Take back what `save` wrote."""
