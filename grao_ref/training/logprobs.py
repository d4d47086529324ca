"""The log-probabilities, and the critic's values, of a batch under a policy."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, LogProbs, split, take

SEQUENCES = ("samples", "references", "rejected")


def log_probabilities(policy: Policy, batch: Batch, sequences: Iterable[str], *, temperature: float) -> LogProbs:
    """log π of the batch's `samples`, `references` and `rejected` answers (those in `sequences`), with gradient.

    The policy scores them in one call: a prompt's reference is one more row of its group (thm-1). `values` names the
    critic's V before each sampled token.
    """
    wanted = set(sequences)
    groups = {name: _group(getattr(batch, name)) for name in SEQUENCES if name in wanted}
    with_values = "values" in wanted
    if not groups:
        assert batch.samples is not None
        return LogProbs(values=policy.values(batch.prompts, batch.samples.ids, batch.samples.mask))
    if with_values:
        scores, values = policy.logprobs_and_values(batch.prompts, *_joined(groups), temperature=temperature)
        return LogProbs(**_apart(scores, groups), values=_apart(values, groups)["samples"])
    return LogProbs(**_apart(policy.logprobs(batch.prompts, *_joined(groups), temperature=temperature), groups))


def _group(answers: Any) -> tuple[Tensor, Tensor]:
    """Ids and mask, (N, g, T): a group of G samples, or of one reference."""
    return (answers.ids, answers.mask) if answers.ids.dim() == 3 else (answers.ids[:, None], answers.mask[:, None])


def _joined(groups: dict[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """All rows of each prompt as one group, padded to the longest."""
    width = max(ids.shape[2] for ids, _ in groups.values())
    padded = [[pad(tensor, (0, width - tensor.shape[2])) for tensor in group] for group in groups.values()]
    ids, mask = (torch.cat(tensors, dim=1) for tensors in zip(*padded, strict=True))
    return ids, mask


def _apart(rows: Tensor, groups: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """`_joined` taken back, for one number by token; a group of one loses its dimension."""
    pieces = torch.split(rows, [ids.shape[1] for ids, _ in groups.values()], dim=1)
    trimmed = {name: piece[..., : groups[name][0].shape[2]] for name, piece in zip(groups, pieces, strict=True)}
    return {name: piece if name == "samples" else piece[:, 0] for name, piece in trimmed.items()}


@torch.no_grad()
def log_probabilities_in_parts(
    policy: Policy, batch: Batch, sequences: Iterable[str], *, temperature: float, parts: int
) -> LogProbs:
    """The same without gradient, a micro-batch at a time: the logits of a whole batch may not fit in memory."""
    wanted = tuple(sequences)
    pieces = [
        log_probabilities(policy, take(batch, rows), wanted, temperature=temperature)
        for rows in split(len(batch), parts)
    ]
    named = [field.name for field in fields(LogProbs) if field.name in wanted]
    return LogProbs(**{name: torch.cat([getattr(piece, name) for piece in pieces]) for name in named})
