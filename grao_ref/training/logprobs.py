"""The log-probabilities, and the critic's values, of a batch under a policy."""

from collections.abc import Iterable
from dataclasses import fields

import torch
from torch import Tensor

from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, LogProbs, Tokens, split, take


def log_probabilities(policy: Policy, batch: Batch, sequences: Iterable[str], *, temperature: float) -> LogProbs:
    """log π of the batch's `samples`, `references` and `rejected` answers (those in `sequences`), with gradient.

    `values` names the critic's V before each sampled token.
    """

    def of(answers: Tokens) -> Tensor:
        ids, mask = answers.ids[:, None], answers.mask[:, None]  # a group of one
        return policy.logprobs(batch.prompts, ids, mask, temperature=temperature)[:, 0]

    found: dict[str, Tensor] = {}
    for name in sequences:
        if name in ("samples", "values"):
            assert batch.samples is not None
            ids, mask = batch.samples.ids, batch.samples.mask
            if name == "values":
                found[name] = policy.values(batch.prompts, ids, mask)
            else:
                found[name] = policy.logprobs(batch.prompts, ids, mask, temperature=temperature)
        else:
            found[name] = of(getattr(batch, name))
    return LogProbs(**found)


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
