"""The one table of methods: which tensors each one needs, and which equations make its terms of them.

An objective sees log-probabilities, never a model. It returns terms to be maximised, one for each prompt,
not yet reduced, and the figures it wants reported; `update.py` divides their sum by the method's denominator, counted
over the whole batch. A sample that could not be scored has an empty mask, and no mean runs over it. A field that a
method has asked for is there; `_given` says so to the type checker.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from grao_ref.config import Config
from grao_ref.equations.divergence import k1, k3
from grao_ref.equations.dpo import dpo_objective, preference_margin
from grao_ref.equations.grao import grao_objective, grao_objective_while_ahead
from grao_ref.equations.grpo import GRPO_LOSS_TYPES, grpo_objective
from grao_ref.equations.logprob import mean_log_likelihood, probability_ratio, sum_log_likelihood
from grao_ref.equations.masked import masked_mean
from grao_ref.equations.ppo import ppo_objective, value_error
from grao_ref.equations.sft import sft_objective
from grao_ref.records import Batch, Scored

Field = TypeVar("Field")
Terms = tuple[Tensor, dict[str, Tensor]]


def sft(scored: Scored, batch: Batch, config: Config) -> Terms:
    """eq-1 on the references."""
    terms = sft_objective(_given(scored.references), batch.references.mask)
    return terms, {"reference/logp_per_token": terms}


def dpo(scored: Scored, batch: Batch, config: Config) -> Terms:
    """References against rejected answers."""
    chosen, rejected, frozen = batch.references.mask, _given(batch.rejected).mask, _given(batch.frozen)
    pairs = (
        sum_log_likelihood(_given(scored.references), chosen),
        sum_log_likelihood(_given(scored.rejected), rejected),
        sum_log_likelihood(_given(frozen.chosen), chosen),
        sum_log_likelihood(_given(frozen.rejected), rejected),
    )
    margin = kl_coef(config) * preference_margin(*pairs).detach()
    return dpo_objective(*pairs, kl_coef=kl_coef(config)), {
        "rewards/margins": margin,
        "rewards/accuracies": (margin > 0).to(margin.dtype),
        "logps/chosen": pairs[0],
        "logps/rejected": pairs[1],
        "reference/logp_per_token": mean_log_likelihood(_given(scored.references), chosen),
    }


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
    figures = {"value_error": _mean(error, samples.mask), "clip_ratio/region_mean": _clipped(scored, batch, config)}
    if kl_coef(config) > 0:
        anchor = _given(_given(batch.frozen).outputs)
        figures["kl"] = _mean(k1(samples.logprobs, anchor, samples.mask), samples.mask)
    return _mean(surrogate - config.vf_coef * error, samples.mask), figures


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
    figures = {"clip_ratio/region_mean": _clipped(scored, batch, config)}
    if kl_coef(config) > 0:
        penalty = k3(logprobs, _given(_given(batch.frozen).outputs), samples.mask)
        tokens = tokens - kl_coef(config) * penalty
        figures["kl"] = _mean(penalty, samples.mask)
    return GRPO_LOSS_TYPES[config.loss_type].numerator(tokens, samples.mask).sum(dim=-1), figures


def grpo_denominator(batch: Batch, config: Config) -> int:
    """What the loss type divides by, counted over the samples that could be scored."""
    mask = _given(batch.samples).mask
    return GRPO_LOSS_TYPES[config.loss_type].denominator(mask[mask.any(dim=-1)], config.max_completion_length)


def grao(scored: Scored, batch: Batch, config: Config) -> Terms:
    """eq-3, printed or repaired, whole or with terms left out."""
    advantages, mask = _given(batch.advantages), _given(batch.samples).mask
    beta = 0.0 if "imitation" in config.ablate else config.imitation_coef
    lam = 0.0 if "alignment" in config.ablate else config.alignment_coef
    reference_loglik = mean_log_likelihood(_given(scored.references), batch.references.mask)
    objective = grao_objective_while_ahead if config.imitate_only_when_ahead else grao_objective
    # 1/G becomes one over the samples that could be scored; the others' advantages are 0.
    share = mask.any(dim=-1).to(advantages.outputs.dtype).mean(dim=-1, keepdim=True).clamp(min=1 / mask.shape[1])
    terms = objective(
        mean_log_likelihood(_given(scored.outputs), mask),
        reference_loglik,
        advantages.outputs / share,
        advantages.reference,
        beta=beta,
        lam=lam,
    )
    exploration = torch.zeros_like(terms.exploration) if "exploration" in config.ablate else terms.exploration
    return exploration + beta * terms.imitation + lam * terms.alignment, {
        "loss/exploration": exploration,
        "loss/imitation": beta * terms.imitation,
        "loss/alignment": lam * terms.alignment,
        "reference/logp_per_token": reference_loglik,
    }


@dataclass(frozen=True)
class Algorithm:
    """A method: its objective, and what has to be collected and scored before it is called."""

    objective: Callable[[Scored, Batch, Config], Terms]
    denominator: Callable[[Batch, Config], int] = lambda batch, config: len(batch)  # of the sum of its terms
    beta: float = 0.0  # its KL weight where the config gives none: TRL's default
    samples: bool = False  # groups, their rewards and advantages
    references: bool = False  # the policy's log-probabilities of y
    rejected: bool = False  # and of the rejected answer, and the frozen policy's of both
    critic: bool = False  # GAE and the critic's values
    kl: bool = False  # the frozen policy's log-probabilities of the samples, where beta > 0

    @property
    def reads_beta(self) -> bool:
        """Whether a config's `beta` means anything to it."""
        return self.kl or self.rejected

    def needs_frozen(self, config: Config) -> bool:
        """Whether the policy as it was before training is asked for anything."""
        return self.rejected or (self.kl and kl_coef(config) > 0)


ALGORITHMS = {
    "sft": Algorithm(sft, references=True),
    "dpo": Algorithm(dpo, references=True, rejected=True, beta=0.1),
    "ppo": Algorithm(ppo, samples=True, critic=True, kl=True),
    "grpo": Algorithm(grpo, grpo_denominator, samples=True, kl=True),
    "grao": Algorithm(grao, samples=True, references=True),
}


def kl_coef(config: Config) -> float:
    """The KL weight of a run: `beta`, or the method's default."""
    return ALGORITHMS[config.method].beta if config.beta is None else config.beta


def likelihood_temperature(config: Config) -> float:
    """The temperature of every log-probability that is trained or compared."""
    return config.temperature if config.temper_likelihoods else 1.0


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean over each answer's tokens, then over the group's answers that have any: (N, G, T) -> (N,)."""
    return masked_mean(masked_mean(tokens, mask), mask.any(dim=-1))


def _clipped(scored: Scored, batch: Batch, config: Config) -> Tensor:
    """Share of tokens whose ratio has left 1 ± ε."""
    samples, logprobs = _given(batch.samples), _given(scored.outputs).detach()
    outside = (probability_ratio(logprobs, samples.logprobs, samples.mask) - 1).abs() > config.epsilon
    return _mean(outside.to(logprobs.dtype), samples.mask)


def _given(field: Field | None) -> Field:
    assert field is not None
    return field
