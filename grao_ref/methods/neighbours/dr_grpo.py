"""Dr. GRPO (arXiv:2503.20783): GRPO without the deviation, tokens summed over a constant length. It never reads y."""

from dataclasses import replace

import torch

from grao_ref.equations.masked import hide, masked_mean
from grao_ref.methods import grpo
from grao_ref.methods.interface import Method, Terms
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """A_i = R_i − μ_r over the group's scored samples."""
    mean = masked_mean(rewards.outputs, rewards.scored)[:, None]
    return Advantages(hide(rewards.outputs - mean, rewards.scored), torch.zeros_like(rewards.reference))


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """GRPO's, with its loss type `dr_grpo`."""
    return grpo.objective(logprobs, batch, _summed(config))


def denominator(batch: Batch, config: Config) -> int:
    """Samples that could be scored, times `max_completion_length`."""
    return grpo.denominator(batch, _summed(config))


def _summed(config: Config) -> Config:
    return replace(config, loss_type="dr_grpo")


DR_GRPO = Method(
    name="dr_grpo",
    needs=grpo.needs,
    advantages=advantages,
    objective=objective,
    denominator=denominator,
    rows=grpo.rows,
    reads=("epsilon",),
    kl_weight=grpo.KL_WEIGHT,
)
