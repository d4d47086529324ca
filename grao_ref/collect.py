"""First half of a step: prompts -> samples -> rewards -> everything that stays constant during its updates."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from grao_ref.algorithms import ALGORITHMS, kl_coef, likelihood_temperature
from grao_ref.config import Config
from grao_ref.equations.advantage import scorable_advantages
from grao_ref.equations.ppo import generalized_advantages, token_rewards
from grao_ref.policies.interface import Policy
from grao_ref.records import Advantages, Batch, Critique, Frozen, Rewards, Tokens, split, take
from grao_ref.tasks.interface import Task, weighted


@torch.no_grad()
def collect(batch: Batch, task: Task, policy: Policy, frozen: Policy, config: Config, rng: torch.Generator) -> Batch:
    """The whole batch of a step whose prompts are given. `frozen` is the policy as it was before training."""
    algorithm = ALGORITHMS[config.method]
    if algorithm.rejected:
        batch = _compare(batch, frozen, config)
    if algorithm.samples:
        # The reference may join the pool of a method that trains on it; to the others it is a stranger.
        pool = config.pool if algorithm.references else "outputs"
        batch = _sample(batch, task, policy, replace(config, pool=pool), rng)
    if algorithm.kl and kl_coef(config) > 0:
        batch = _anchor(batch, frozen, config)
    if algorithm.critic:
        batch = _criticise(batch, policy, config)
    return batch


def _compare(batch: Batch, frozen: Policy, config: Config) -> Batch:
    """DPO's constants: both answers under the frozen policy."""
    if batch.rejected is None:
        raise ValueError("dpo needs rejected answers, and this task gives none")
    temperature = likelihood_temperature(config)

    def of(part: Batch, answers: Tokens | None) -> Tensor:
        assert answers is not None
        return frozen.logprobs(part.prompts, answers.ids[:, None], answers.mask[:, None], temperature=temperature)[:, 0]

    chosen = _in_parts(batch, config, lambda part: of(part, part.references))
    rejected = _in_parts(batch, config, lambda part: of(part, part.rejected))
    return replace(batch, frozen=Frozen(chosen=chosen, rejected=rejected))


def _sample(batch: Batch, task: Task, policy: Policy, config: Config, rng: torch.Generator) -> Batch:
    """Groups, the rewards of samples and references by the same function, advantages."""
    samples = policy.sample(
        batch.prompts,
        config.num_generations,
        temperature=config.temperature,
        rng=rng,
        likelihood_temperature=likelihood_temperature(config),
    )
    parts = task.reward(batch, samples.ids, samples.mask)
    of_reference = task.reward(batch, batch.references.ids[:, None], batch.references.mask[:, None])
    rewards = Rewards(
        weighted(parts, task.reward_weights), weighted(of_reference, task.reward_weights)[:, 0], parts=parts
    )
    A_o, A_y = scorable_advantages(rewards.outputs, rewards.reference, pool=config.pool)
    # What could not be scored counts for nothing from here on: no token of it is left.
    samples = replace(samples, mask=samples.mask & ~rewards.outputs.isnan()[..., None], sampled=samples.mask)
    return replace(batch, samples=samples, rewards=rewards, advantages=Advantages(A_o, A_y))


def _anchor(batch: Batch, frozen: Policy, config: Config) -> Batch:
    """What the KL penalty compares with: the samples under the frozen policy."""

    def of(part: Batch) -> Tensor:
        assert part.samples is not None
        ids, mask = part.samples.ids, part.samples.mask
        return frozen.logprobs(part.prompts, ids, mask, temperature=likelihood_temperature(config))

    return replace(batch, frozen=Frozen(outputs=_in_parts(batch, config, of)))


def _criticise(batch: Batch, policy: Policy, config: Config) -> Batch:
    """PPO's targets, from the critic as it is before the update."""
    assert batch.samples is not None
    assert batch.rewards is not None
    samples = batch.samples
    ref_logprobs = samples.logprobs
    if batch.frozen is not None and batch.frozen.outputs is not None:
        ref_logprobs = batch.frozen.outputs
    scores = batch.rewards.outputs.nan_to_num(nan=0.0)  # whatever could not be scored has no token to give it to
    rewards = token_rewards(scores, samples.logprobs, ref_logprobs, samples.mask, kl_coef=kl_coef(config))

    def of(part: Batch) -> Tensor:
        assert part.samples is not None
        return policy.values(part.prompts, part.samples.ids, part.samples.mask)

    values = _in_parts(batch, config, of)
    advantages, returns = generalized_advantages(rewards, values, samples.mask, gae_lambda=config.gae_lambda)
    return replace(batch, critique=Critique(advantages, returns, values))


def _in_parts(batch: Batch, config: Config, score: Callable[[Batch], Tensor]) -> Tensor:
    """Scores of the whole batch, a micro-batch at a time: the logits of all at once would not fit where its don't."""
    return torch.cat([score(take(batch, rows)) for rows in split(len(batch), config.gradient_accumulation_steps)])
