"""Records: frozen, checked, and split between prompts only."""

from dataclasses import FrozenInstanceError

import pytest
import torch

from grao_ref.records import Advantages, Batch, Rewards, Samples, Tokens, take


def tokens(count: int, width: int = 2) -> Tokens:
    return Tokens(torch.arange(count * width).reshape(count, width), torch.ones(count, width, dtype=torch.bool))


def test_take_keeps_rows_together_and_what_is_missing_missing():
    samples = Samples(torch.arange(12).reshape(3, 2, 2), torch.ones(3, 2, 2, dtype=torch.bool), torch.zeros(3, 2, 2))
    batch = Batch(
        tokens(3),
        tokens(3),
        samples=samples,
        rewards=Rewards.complete(torch.arange(6.0).reshape(3, 2), torch.arange(3.0)),
    )
    part = take(batch, slice(1, 3))
    assert len(batch) == 3
    assert len(part) == 2
    assert part.samples.ids[0].tolist() == [[4, 5], [6, 7]]
    assert part.rewards.outputs[0].tolist() == [2.0, 3.0]
    assert part.rewards.reference.tolist() == [1.0, 2.0]
    assert part.advantages is None


def test_records_are_frozen():
    with pytest.raises(FrozenInstanceError):
        tokens(1).ids = torch.zeros(1, 2)


def test_bad_shapes_are_named(without_shape_checks):
    mask = torch.ones(2, 3, dtype=torch.bool)
    cases = [
        (lambda: Tokens(torch.zeros(2).long(), mask), r"ids must have 2 dimensions, got shape \(2,\)"),
        (lambda: Tokens(torch.zeros(2, 4).long(), mask), r"mask must have the shape of ids, \(2, 4\), got \(2, 3\)"),
        (lambda: Samples(mask, mask, mask), r"ids must have 3 dimensions, got shape \(2, 3\)"),
        (
            lambda: Rewards.complete(torch.zeros(2, 3), torch.zeros(3)),
            r"reference must have one entry for each of 2 prompts, got shape \(3,\)",
        ),
        (lambda: Advantages(torch.zeros(2), torch.zeros(2)), r"outputs must have 2 dimensions, got shape \(2,\)"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
