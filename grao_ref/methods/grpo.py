"""GRPO (arXiv:2402.03300): the clipped ratio on the group's advantages, minus a KL penalty. It never reads y."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.divergence import k3
from grao_ref.equations.grpo import GRPO_LOSS_TYPES, grpo_objective
from grao_ref.equations.logprob import probability_ratio
from grao_ref.methods.interface import (
    Method,
    Needs,
    Rows,
    Terms,
    beta_or,
    given,
    mean_over_group,
    standardized,
    trained_tokens,
    with_signal,
)
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config

KL_WEIGHT = 0.0  # TRL's default


def needs(config: Config) -> Needs:
    """Groups; and log π_ref of the samples where there is a KL penalty."""
    return Needs(samples=True, reference_model=("samples",) if beta_or(KL_WEIGHT, config) > 0 else ())


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """Â_i = (R_i − μ_r) / σ_r over the group's samples: the reference is not in the pool, and is not trained on."""
    return standardized(rewards, pool="outputs")


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """Σ of min(ρ_t Â, clip(ρ_t) Â) − β_KL k3 over each group's tokens, each with the weight of `loss_type`."""
    mask, kl_coef = trained_tokens(batch), beta_or(KL_WEIGHT, config)
    tokens = clipped_terms(logprobs, batch, config)
    metrics = {"clip_ratio/region_mean": clipped(logprobs, batch, config, among=rows(batch, config).samples)}
    if kl_coef > 0:
        penalty = k3(given(logprobs.samples), given(given(batch.reference_model).samples), mask)
        tokens = tokens - kl_coef * penalty
        metrics["kl"] = mean_over_group(penalty, batch)
    return Terms(GRPO_LOSS_TYPES[config.loss_type].numerator(tokens, mask).sum(dim=-1), metrics)


def clipped_terms(logprobs: LogProbs, batch: Batch, config: Config) -> Float[Tensor, "N G T"]:
    """min(ρ_t Â, clip(ρ_t) Â) of each token of the samples, 0 where it is masked."""
    new, samples = given(logprobs.samples), given(batch.samples)
    return grpo_objective(
        new,
        samples.logprobs,
        given(batch.advantages).outputs,
        trained_tokens(batch),
        epsilon_low=config.epsilon,
        epsilon_high=config.epsilon,
    )


def denominator(batch: Batch, config: Config) -> int:
    """What the loss type divides by, counted over the samples that could be scored."""
    mask = given(batch.samples).mask[given(batch.rewards).scored]
    return GRPO_LOSS_TYPES[config.loss_type].denominator(mask, config.max_completion_length)


def rows(batch: Batch, config: Config) -> Rows:
    """Samples with an advantage; all, where a KL penalty moves the others too. A reference is never read."""
    samples = with_signal(batch)
    if beta_or(KL_WEIGHT, config) > 0:
        samples = torch.ones_like(samples)
    return Rows(samples, torch.zeros_like(samples[:, 0]))


def clipped(logprobs: LogProbs, batch: Batch, config: Config, *, among: Bool[Tensor, "N G"]) -> Tensor:
    """Share of tokens whose ratio has left 1 ± ε, by prompt. Those of samples that are not `among` count as inside."""
    new, mask = given(logprobs.samples).detach(), trained_tokens(batch) & among[..., None]
    outside = (probability_ratio(new, given(batch.samples).logprobs, mask) - 1).abs() > config.epsilon
    return mean_over_group(outside.to(new.dtype), batch)


GRPO = Method(
    name="grpo",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=denominator,
    rows=rows,
    reads=("epsilon", "loss_type"),
    kl_weight=KL_WEIGHT,
)
