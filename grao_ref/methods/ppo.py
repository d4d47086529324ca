"""PPO (arXiv:1707.06347): the clipped ratio on a critic's advantages. It never reads y."""

from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.divergence import k1
from grao_ref.equations.ppo import generalized_advantages, ppo_objective, token_rewards, value_error
from grao_ref.methods.grpo import clipped
from grao_ref.methods.interface import (
    Method,
    Needs,
    Terms,
    beta_or,
    given,
    mean_over_group,
    prompt_count,
    standardized,
    trained_tokens,
)
from grao_ref.records import Advantages, Batch, Critique, LogProbs, Rewards
from grao_ref.settings.config import Config

KL_WEIGHT = 0.0


def needs(config: Config) -> Needs:
    """Samples and a critic; and log π_ref of the samples where there is a KL penalty."""
    penalised = beta_or(KL_WEIGHT, config) > 0
    return Needs(samples=True, critic=True, reference_model=("samples",) if penalised else ())


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """The group's, which are logged only: PPO trains on the critic's advantages, token by token (`critique`)."""
    return standardized(rewards, pool="outputs")


def critique(batch: Batch, values: Float[Tensor, "N G T"], config: Config) -> Critique:
    """GAE's advantages A_t and returns, from rewards that hold the KL penalty, and the critic's values before it."""
    samples, mask = given(batch.samples), trained_tokens(batch)
    before = samples.logprobs if batch.reference_model is None else given(batch.reference_model.samples)
    rewards = token_rewards(
        given(batch.rewards).outputs, samples.logprobs, before, mask, kl_coef=beta_or(KL_WEIGHT, config)
    )
    A_t, returns = generalized_advantages(rewards, values, mask, gae_lambda=config.gae_lambda)
    return Critique(A_t, returns, values)


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """min(ρ_t A_t, clip(ρ_t) A_t) − vf_coef · the critic's error, averaged over each sample, then over its group."""
    samples, targets, mask = given(batch.samples), given(batch.critique), trained_tokens(batch)
    surrogate = ppo_objective(
        given(logprobs.samples),
        samples.logprobs,
        targets.advantages,
        mask,
        epsilon_low=config.epsilon,
        epsilon_high=config.epsilon,
    )
    error = value_error(given(logprobs.values), targets.values, targets.returns, mask, clip_range=config.epsilon)
    metrics = {
        "value_error": mean_over_group(error, batch),
        "clip_ratio/region_mean": clipped(logprobs, batch, config, among=given(batch.rewards).scored),
    }
    if batch.reference_model is not None:
        divergence = k1(samples.logprobs, given(batch.reference_model.samples), mask)
        metrics["kl"] = mean_over_group(divergence, batch)
    return Terms(mean_over_group(surrogate - config.vf_coef * error, batch), metrics)


PPO = Method(
    name="ppo",
    needs=needs,
    advantages=advantages,
    critique=critique,
    objective=objective,
    denominator=prompt_count,
    reads=("epsilon", "gae_lambda", "vf_coef"),
    kl_weight=KL_WEIGHT,
)
