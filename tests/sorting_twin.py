"""The sorting task on tokens: a twin of the rows and the reward function, which work on text. It draws endless prompts.

prompt     5 2 9 1 4 =
reference  1 4 2 5 9 .      in order, but for one pair of neighbours that is swapped: reward 4/6
rejected   5 2 9 1 4 .      the digits as they came
best       1 2 4 5 9 .      reward 1
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grao_ref.records import Batch, Scores, Tokens
from grao_ref.tasks.interface import references_as_answers

DIGITS, LENGTH = 10, 5  # five different ones of ten digits
EQUALS, END = DIGITS, DIGITS + 1  # the two tokens that are no digits
ANSWER = LENGTH + 1


class Sorting:
    """`batch` fresh prompts a step, drawn from 30,240."""

    independent_prompts = False
    reward_weights = {"sorting": 1.0}  # noqa: RUF012 never changed

    def __init__(self, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1 prompt, got {batch}")
        self.batch = batch

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """Prompts, references with one swap each, and the unsorted digits as rejected answers."""
        digits = torch.rand(self.batch, DIGITS, generator=rng).argsort(dim=-1)[:, :LENGTH]
        best = digits.sort(dim=-1).values
        place = torch.randint(LENGTH - 1, (self.batch, 1), generator=rng)
        swapped = torch.arange(LENGTH).expand(self.batch, -1).clone()
        swapped.scatter_(1, place, place + 1).scatter_(1, place + 1, place)
        return Batch(_ending(digits, EQUALS), _ending(best.gather(1, swapped), END), rejected=_ending(digits, END))

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Scores:
        """Right positions / 6: exact, in [0, 1], and 1 for the sorted digits alone."""
        best = _ending(batch.prompts.ids[:, :LENGTH].sort(dim=-1).values, END).ids
        width = min(ids.shape[-1], ANSWER)
        right = (ids[..., :width] == best[:, None, :width]) & mask[..., :width]
        return Scores.complete(right.sum(dim=-1, keepdim=True) / ANSWER)

    def reward_references(self, batch: Batch) -> Scores:
        """The same, of the references."""
        return references_as_answers(self, batch)


def _ending(digits: Int[Tensor, "N 5"], token: int) -> Tokens:
    """The digits and one closing token, nothing masked."""
    ids = torch.nn.functional.pad(digits, (0, 1), value=token)
    return Tokens(ids, torch.ones_like(ids, dtype=torch.bool))


def characters(ids: list[int]) -> str:
    """What a sequence reads like: '52914=' or '12459.'.

    >>> characters([5, 2, 11])
    '52.'
    """
    return "".join("0123456789=."[token] for token in ids)
