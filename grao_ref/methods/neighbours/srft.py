"""SRFT (arXiv:2506.19767): one step of SFT and RL, both weighed by the policy's entropy.

Right is read as being as good as the best that is known, the reference among it; the paper's are right or wrong.
"""

from math import inf

import torch
from jaxtyping import Bool
from torch import Tensor

from grao_ref.equations.grpo import grpo_objective
from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.equations.masked import masked_mean
from grao_ref.methods.interface import (
    Method,
    Needs,
    Terms,
    given,
    mean_over_group,
    prompt_count,
    standardized,
    trained_tokens,
)
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config


def needs(config: Config) -> Needs:
    """Groups, and log π(y)."""
    return Needs(samples=True, references=True)


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """Â over samples and reference together; read for the reference."""
    return standardized(rewards, pool="with_reference")


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """J = ½ e^−H J_SFT(y) + clipped π(y_t) Â_y + 1/n Σ_i s_i J(o_i), s_i = 0.1 e^H where o_i is right and −1 where not.

    H is estimated as −1/|o| Σ_t log π(o_t), averaged over the group. The reference's behaviour policy is taken to be
    certain. Each answer is averaged over its tokens.
    """
    samples, mask, scored = given(batch.samples), trained_tokens(batch), given(batch.rewards).scored
    entropy = -mean_over_group(samples.logprobs, batch).detach()
    J_y = mean_log_likelihood(given(logprobs.references), batch.references.mask)
    references = given(logprobs.references)[:, None]
    trace = grpo_objective(
        references,
        torch.zeros_like(references),
        given(batch.advantages).reference[:, None],
        batch.references.mask[:, None],
        epsilon_low=config.epsilon,
        epsilon_high=config.epsilon,
    )
    J_o = mean_log_likelihood(given(logprobs.samples), mask)
    sign = torch.where(right(given(batch.rewards)), 0.1 * entropy.exp()[:, None], -1.0)
    total = 0.5 * (-entropy).exp() * J_y + masked_mean(trace, batch.references.mask[:, None])[:, 0]
    return Terms(total + masked_mean(sign * J_o, scored), {"reference/logp_per_token": J_y})


def right(rewards: Rewards) -> Bool[Tensor, "N G"]:
    """True on the scored samples that no other of the group, nor the reference, is better than."""
    best = torch.where(rewards.scored, rewards.outputs, -inf).amax(dim=-1)
    known = torch.where(rewards.reference_scored, torch.maximum(best, rewards.reference), best)
    return rewards.scored & (rewards.outputs >= known[:, None])


SRFT = Method(
    name="srft",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=prompt_count,
    reads=("epsilon",),
)
