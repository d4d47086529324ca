"""Sequences of different lengths as one tensor with a mask."""

from collections.abc import Sequence

import torch

from grao_ref.records import Tokens


def padded(sequences: Sequence[Sequence[int]], *, value: int = 0, device: torch.device | None = None) -> Tokens:
    """The sequences, padded on the right with `value`.

    The mask is made from the lengths and never from the ids, so the tokenizer needs no padding token. The width is at
    least 1, so that prompts without a reference fit into a batch.
    """
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=device)
    width = max(int(lengths.max()), 1)
    filled = [[*sequence, *[value] * (width - len(sequence))] for sequence in sequences]
    ids = torch.tensor(filled, dtype=torch.long, device=device)
    return Tokens(ids, torch.arange(width, device=device) < lengths[:, None])
