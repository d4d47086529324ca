"""First half of a step: prompts -> samples -> rewards -> everything that stays constant during its updates."""

from dataclasses import replace

import torch

from grao_ref.algorithms import Algorithm
from grao_ref.config import Config
from grao_ref.equations.advantage import group_advantages
from grao_ref.equations.ppo import generalized_advantages, token_rewards
from grao_ref.policies.interface import Policy
from grao_ref.records import Advantages, Batch, Critique, Frozen, Rewards
from grao_ref.tasks.interface import Task


@torch.no_grad()
def collect(
    task: Task, policy: Policy, frozen: Policy, algorithm: Algorithm, config: Config, rng: torch.Generator
) -> Batch:
    """The batch of one step. `frozen` is the policy as it was before training."""
    batch = task.draw(rng)
    if algorithm.rejected:
        batch = _compare(batch, frozen, config)
    if algorithm.samples:
        # The reference may join the pool of a method that trains on it; to the others it is a stranger.
        pool = config.pool if algorithm.references else "outputs"
        batch = _sample(batch, task, policy, replace(config, pool=pool), rng)
    if algorithm.kl and config.beta > 0:
        batch = _anchor(batch, frozen, config)
    if algorithm.critic:
        batch = _criticise(batch, policy, config)
    return batch


def _compare(batch: Batch, frozen: Policy, config: Config) -> Batch:
    """DPO's constants: both answers under the frozen policy."""
    if batch.rejected is None:
        raise ValueError("dpo needs rejected answers, and this task gives none")
    chosen, rejected = (
        frozen.logprobs(batch.prompts, t.ids[:, None], t.mask[:, None], temperature=config.temperature)[:, 0]
        for t in (batch.references, batch.rejected)
    )
    return replace(batch, frozen=Frozen(chosen=chosen, rejected=rejected))


def _sample(batch: Batch, task: Task, policy: Policy, config: Config, rng: torch.Generator) -> Batch:
    """Groups, the rewards of samples and references by the same function, advantages."""
    samples = policy.sample(batch.prompts, config.num_generations, temperature=config.temperature, rng=rng)
    reference_ids, reference_mask = batch.references.ids[:, None], batch.references.mask[:, None]
    rewards = Rewards(
        task.reward(batch, samples.ids, samples.mask), task.reward(batch, reference_ids, reference_mask)[:, 0]
    )
    A_o, A_y = group_advantages(rewards.outputs, rewards.reference, pool=config.pool)
    return replace(batch, samples=samples, rewards=rewards, advantages=Advantages(A_o, A_y))


def _anchor(batch: Batch, frozen: Policy, config: Config) -> Batch:
    """What the KL penalty compares with: the samples under the frozen policy."""
    assert batch.samples is not None
    ids, mask = batch.samples.ids, batch.samples.mask
    return replace(
        batch, frozen=Frozen(outputs=frozen.logprobs(batch.prompts, ids, mask, temperature=config.temperature))
    )


def _criticise(batch: Batch, policy: Policy, config: Config) -> Batch:
    """PPO's targets, from the critic as it is before the update."""
    assert batch.samples is not None
    assert batch.rewards is not None
    samples = batch.samples
    ref_logprobs = samples.logprobs
    if batch.frozen is not None and batch.frozen.outputs is not None:
        ref_logprobs = batch.frozen.outputs
    rewards = token_rewards(batch.rewards.outputs, samples.logprobs, ref_logprobs, samples.mask, kl_coef=config.beta)
    values = policy.values(batch.prompts, samples.ids, samples.mask)
    advantages, returns = generalized_advantages(rewards, values, samples.mask, gae_lambda=config.gae_lambda)
    return replace(batch, critique=Critique(advantages, returns, values))
