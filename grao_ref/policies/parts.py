"""Which rows share a forward pass: rows of like length, so that little padding is computed."""

from collections.abc import Sequence

import torch


def parts_of(lengths: Sequence[int], *, pass_cost: int) -> list[list[int]]:
    """The rows whose length is above 0, in parts of similar length, each with its longest row last.

    A part costs its rows times its longest length, and `pass_cost` more, all in tokens. A part is cut in two where
    that is cheapest, as long as it saves anything.

    >>> parts_of([9, 100, 0, 11, 98], pass_cost=20)
    [[0, 3], [4, 1]]
    >>> parts_of([9, 100, 0, 11, 98], pass_cost=200)
    [[0, 3, 4, 1]]
    """
    rows = sorted((row for row, length in enumerate(lengths) if length > 0), key=lengths.__getitem__)
    return _cut(rows, lengths, pass_cost) if rows else []


def _cut(rows: list[int], lengths: Sequence[int], pass_cost: int) -> list[list[int]]:
    longest = lengths[rows[-1]]
    saved = [(at * (longest - lengths[rows[at - 1]]), at) for at in range(1, len(rows))]
    most, at = max(saved, default=(0, 0))
    if most <= pass_cost:
        return [rows]
    return _cut(rows[:at], lengths, pass_cost) + _cut(rows[at:], lengths, pass_cost)


def pass_cost(device: torch.device) -> int:
    """How many tokens of padding a further forward and backward pass is worth.

    On a CPU, SmolLM2's pass over one token takes as long as 35 tokens of a long pass do, a small model's longer. A GPU
    computes thousands of tokens in the time that starting a pass takes; the number there is an estimate.
    """
    return 64 if device.type == "cpu" else 4096
