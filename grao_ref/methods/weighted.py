"""Methods that are weights on a group's mean log-likelihoods (thm-1): whole once their weights are written."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.methods.interface import Method, Needs, Rows, Terms, given, prompt_count, trained_tokens
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config

Weights = Callable[[Advantages, Rewards, Config], tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]]


def weighted(
    name: str,
    weights: Weights,
    advantages: Callable[[Rewards, Config], Advantages],
    *,
    references: bool = True,
    **parts: Any,
) -> Method:
    """The method that maximises J = Σ_i w_i J_exploration(o_i) + w_y J_imitation(y), its mean over prompts.

    weights: advantages and rewards -> w_i (N, G), 0 on a sample that could not be scored, and w_y (N,).
    advantages: rewards -> what the weights are made of. references: False where w_y is always 0, so that prompts need
    none. parts: any other of `Method`'s, such as `reads`.
    """

    def of_batch(batch: Batch, config: Config) -> tuple[Tensor, Tensor]:
        return weights(given(batch.advantages), given(batch.rewards), config)

    def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
        w_o, w_y = of_batch(batch, config)
        J_o = mean_log_likelihood(given(logprobs.samples), trained_tokens(batch))
        exploration = (w_o * J_o).sum(dim=-1)
        if not references:
            return Terms(exploration)
        J_y = mean_log_likelihood(given(logprobs.references), batch.references.mask)
        imitation = w_y * J_y
        metrics = {"objective/imitation": imitation, "reference/logp_per_token": J_y[rows(batch, config).references]}
        return Terms(exploration + imitation, metrics)

    def rows(batch: Batch, config: Config) -> Rows:
        w_o, w_y = of_batch(batch, config)
        return Rows(given(batch.rewards).scored & (w_o != 0), w_y != 0)

    return Method(
        name=name,
        needs=lambda config: Needs(samples=True, references=references),
        advantages=advantages,
        objective=objective,
        denominator=prompt_count,
        weights=weights,
        rows=rows,
        **parts,
    )


def ahead(rewards: Rewards) -> Bool[Tensor, "N"]:
    """True where the reference is better than every sample of its group."""
    as_good = rewards.scored & (rewards.outputs >= rewards.reference[:, None])
    return rewards.reference_scored & ~as_good.any(dim=-1)


def no_reference(w_o: Float[Tensor, "N G"]) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """The weights of a method that never trains on y."""
    return w_o, torch.zeros_like(w_o[:, 0])
