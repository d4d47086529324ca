"""A method's functions tried on made-up numbers: what returns something wrong is found before the first step."""

from dataclasses import replace

import torch
from torch import Tensor

from grao_ref.methods.calls import advantages_of, critique_of, denominator_of, rows_of, terms_of
from grao_ref.methods.interface import Method, Needs
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.records import Batch, LogProbs, Rewards, Samples, Scores, Tokens, take
from grao_ref.settings.config import Config

PROMPTS = 2


def try_out(config: Config, batch: Batch) -> None:
    """Call each of the method's functions once, on the first prompts of a batch as a task draws it.

    The samples are the references' own tokens; rewards and log-probabilities are made up. Raises `ValueError` with the
    method and the function where one raises, or returns another type or shape than it has to.
    """
    method = method_of(config.method)
    needs = require_needs(method, config)
    batch = take(batch, slice(0, PROMPTS))
    if needs.samples:
        batch = _with_samples(method, batch, config)
    if needs.reference_model:
        before = {name: _logprobs(_mask(batch, name), 0.5) for name in needs.reference_model}
        batch = replace(batch, reference_model=LogProbs(**before))
    if needs.critic:
        mask = _mask(batch, "samples")
        batch = replace(batch, critique=critique_of(method, batch, torch.zeros(mask.shape), config))
    denominator_of(method, batch, config)
    if needs.samples:
        rows_of(method, batch, config)
    terms_of(method, _trained(batch, needs), batch, config)


def _with_samples(method: Method, batch: Batch, config: Config) -> Batch:
    ids, mask = _something(batch.references)
    group = config.num_generations
    ids, mask = (tensor[:, None].expand(-1, group, -1) for tensor in (ids, mask))
    outputs = torch.linspace(0, 1, group).expand(len(batch), -1)
    rewards = replace(
        Rewards.complete(outputs, torch.full((len(batch),), 0.5)), parts=Scores.complete(outputs[..., None])
    )
    rewards = replace(rewards, reference_scored=batch.references.mask.any(dim=-1))
    samples = Samples(ids, mask, _logprobs(mask, 1.0), torch.ones_like(mask[..., 0]))
    return replace(batch, samples=samples, rewards=rewards, advantages=advantages_of(method, rewards, config))


def _something(references: Tokens) -> tuple[Tensor, Tensor]:
    """Tokens that may stand for answers: those of the references, or one where a prompt has none."""
    mask = references.mask.clone()
    mask[:, 0] = True
    return references.ids, mask


def _mask(batch: Batch, name: str) -> Tensor:
    sequences = getattr(batch, name)
    if sequences is None:
        raise ValueError(f"a method's `needs` ask for log-probabilities of {name}, and not for {name} themselves")
    mask: Tensor = sequences.mask
    return mask


def _logprobs(mask: Tensor, size: float) -> Tensor:
    """log π of a token: about −`size`, and a little less from token to token."""
    return (-size - torch.arange(mask.shape[-1]) / 100).expand(mask.shape).masked_fill(~mask, 0.0)


def _trained(batch: Batch, needs: Needs) -> LogProbs:
    """The policy's log-probabilities, with gradient, and the critic's values."""
    named = {"samples": needs.samples, "references": needs.references, "rejected": needs.rejected}
    found = {name: _logprobs(_mask(batch, name), 1.0).requires_grad_() for name, wanted in named.items() if wanted}
    if needs.critic:
        found["values"] = torch.zeros(_mask(batch, "samples").shape, requires_grad=True)
    return LogProbs(**found)
