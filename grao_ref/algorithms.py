"""The one table of methods: which tensors each one needs, and which equations make its terms of them.

An objective sees log-probabilities, never a model. It returns terms to be maximised, one for each prompt,
not yet reduced, and the figures it wants reported; `update.py` divides their sum by a count of prompts over
the whole batch. A field that a method has asked for is there; `_given` says so to the type checker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from grao_ref.config import Config
from grao_ref.equations.divergence import k3
from grao_ref.equations.dpo import dpo_objective
from grao_ref.equations.grao import grao_objective, grao_objective_while_ahead
from grao_ref.equations.grpo import grpo_objective
from grao_ref.equations.logprob import mean_log_likelihood, sum_log_likelihood
from grao_ref.equations.masked import masked_mean
from grao_ref.equations.ppo import ppo_objective, value_error
from grao_ref.equations.sft import sft_objective
from grao_ref.records import Batch, Scored

Field = TypeVar("Field")
Terms = tuple[Tensor, dict[str, Tensor]]
DPO_KL_COEF = 0.1  # the DPO paper's default, where the config's beta is 0


def sft(scored: Scored, batch: Batch, config: Config) -> Terms:
    """eq-1 on the references."""
    terms = sft_objective(_given(scored.references), batch.references.mask)
    return terms, {"reference/logp_per_token": terms}


def dpo(scored: Scored, batch: Batch, config: Config) -> Terms:
    """References against rejected answers."""
    chosen, rejected, frozen = batch.references.mask, _given(batch.rejected).mask, _given(batch.frozen)
    terms = dpo_objective(
        sum_log_likelihood(_given(scored.references), chosen),
        sum_log_likelihood(_given(scored.rejected), rejected),
        sum_log_likelihood(_given(frozen.chosen), chosen),
        sum_log_likelihood(_given(frozen.rejected), rejected),
        kl_coef=config.beta or DPO_KL_COEF,
    )
    return terms, {"reference/logp_per_token": mean_log_likelihood(_given(scored.references), chosen)}


def ppo(scored: Scored, batch: Batch, config: Config) -> Terms:
    """The clipped ratio on GAE's advantages, and the critic; the KL penalty is in the rewards already."""
    samples, critique = _given(batch.samples), _given(batch.critique)
    surrogate = ppo_objective(
        _given(scored.outputs),
        samples.logprobs,
        critique.advantages,
        samples.mask,
        epsilon_low=config.epsilon,
        epsilon_high=config.epsilon,
    )
    error = value_error(
        _given(scored.values), critique.values, critique.returns, samples.mask, clip_range=config.epsilon
    )
    terms = masked_mean(surrogate - config.vf_coef * error, samples.mask).mean(dim=-1)
    return terms, {"value_error": masked_mean(error, samples.mask).mean(dim=-1)}


def grpo(scored: Scored, batch: Batch, config: Config) -> Terms:
    """The clipped ratio on the group's advantages, minus beta · k3."""
    samples, logprobs = _given(batch.samples), _given(scored.outputs)
    tokens = grpo_objective(
        logprobs,
        samples.logprobs,
        _given(batch.advantages).outputs,
        samples.mask,
        epsilon_low=config.epsilon,
        epsilon_high=config.epsilon,
    )
    figures = {}
    if config.beta > 0:
        penalty = k3(logprobs, _given(_given(batch.frozen).outputs), samples.mask)
        tokens = tokens - config.beta * penalty
        figures["kl"] = masked_mean(penalty, samples.mask).mean(dim=-1)
    return masked_mean(tokens, samples.mask).mean(dim=-1), figures


def grao(scored: Scored, batch: Batch, config: Config) -> Terms:
    """eq-3, printed or repaired."""
    advantages = _given(batch.advantages)
    reference_loglik = mean_log_likelihood(_given(scored.references), batch.references.mask)
    objective = grao_objective_while_ahead if config.imitate_only_when_ahead else grao_objective
    terms = objective(
        mean_log_likelihood(_given(scored.outputs), _given(batch.samples).mask),
        reference_loglik,
        advantages.outputs,
        advantages.reference,
        beta=config.imitation_coef,
        lam=config.alignment_coef,
    )
    return terms.total, {
        "loss/exploration": terms.exploration,
        "loss/imitation": config.imitation_coef * terms.imitation,
        "loss/alignment": config.alignment_coef * terms.alignment,
        "reference/logp_per_token": reference_loglik,
    }


@dataclass(frozen=True)
class Algorithm:
    """A method: its objective, and what has to be collected and scored before it is called."""

    objective: Callable[[Scored, Batch, Config], Terms]
    samples: bool = False  # groups, their rewards and advantages
    references: bool = False  # the policy's log-probabilities of y
    rejected: bool = False  # and of the rejected answer, and the frozen policy's of both
    critic: bool = False  # GAE and the critic's values
    kl: bool = False  # the frozen policy's log-probabilities of the samples, where beta > 0

    def needs_frozen(self, config: Config) -> bool:
        """Whether the policy as it was before training is asked for anything."""
        return self.rejected or (self.kl and config.beta > 0)


ALGORITHMS = {
    "sft": Algorithm(sft, references=True),
    "dpo": Algorithm(dpo, references=True, rejected=True),
    "ppo": Algorithm(ppo, samples=True, critic=True, kl=True),
    "grpo": Algorithm(grpo, samples=True, kl=True),
    "grao": Algorithm(grao, samples=True, references=True),
}


def _given(field: Field | None) -> Field:
    assert field is not None
    return field
