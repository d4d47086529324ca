"""Answers of a policy, made by hand."""

import torch

from grao_ref.evaluation.metrics import Answers, Comparison
from grao_ref.records import Samples


def scored_where(rewards):
    """(rewards, scored) of a list in which None could not be scored."""
    return torch.tensor([reward or 0.0 for reward in rewards]), torch.tensor([reward is not None for reward in rewards])


def answers(rewards, logprobs=None, base=None, texts=None) -> Answers:
    """One answer of two tokens to each prompt."""
    count = len(rewards)
    ids = torch.arange(2 * count).view(count, 1, 2)
    own = torch.zeros(count, 1, 2) if logprobs is None else torch.tensor(logprobs)[:, None]
    at_base = None if base is None else torch.tensor(base)[:, None]
    samples = Samples(ids, torch.ones_like(ids, dtype=torch.bool), own)
    return Answers(samples, texts or ["x"] * count, *scored_where(rewards), at_base)


def comparison(after, before, reference) -> Comparison:
    return Comparison(after, before, *scored_where(reference))
