"""RLOO (arXiv:2402.14740) as a plug-in: REINFORCE whose baseline is the mean reward of the group's other samples."""

import torch

from grao_ref.equations.logprob import sum_log_likelihood
from grao_ref.equations.masked import hide, masked_mean
from grao_ref.methods.interface import Method, Needs, Terms, given, prompt_count, trained_tokens
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config


def needs(config: Config) -> Needs:
    """Groups."""
    return Needs(samples=True)


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """A_i = R_i − 1/(n−1) Σ_(j≠i) R_j = n/(n−1) (R_i − mean R), over the n samples that could be scored."""
    n = rewards.scored.sum(dim=-1, keepdim=True)
    mean = masked_mean(rewards.outputs, rewards.scored)[:, None]
    A_i = n / (n - 1).clamp(min=1) * (rewards.outputs - mean)
    return Advantages(hide(A_i, rewards.scored), torch.zeros_like(rewards.reference))


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """1/n Σ_i A_i log π(o_i), the log-likelihood of the whole sequence."""
    loglik = sum_log_likelihood(given(logprobs.samples), trained_tokens(batch))
    return Terms(masked_mean(given(batch.advantages).outputs * loglik, given(batch.rewards).scored))


RLOO = Method(
    name="rloo",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=prompt_count,
)
