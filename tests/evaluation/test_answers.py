"""Answers to held-out prompts, batch by batch."""

import torch

from grao_ref.evaluation.answers import joined
from grao_ref.records import Samples
from tests.evaluation.answers import answers


def test_batches_of_different_width_are_joined():
    short, long = answers([0.0]).samples, answers([0.0]).samples
    long = Samples(*(torch.cat([t, t], dim=-1) for t in (long.ids, long.mask, long.logprobs - 1)))
    both = joined([short, long])
    assert both.mask.tolist() == [[[True, True, False, False]], [[True] * 4]]
    assert both.logprobs.tolist() == [[[0.0] * 4], [[-1.0] * 4]]
