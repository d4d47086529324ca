"""The embedded text task: sort five digits. Synthetic, exact, endless, and made to show imitate, explore, transcend.

    prompt     5 2 9 1 4 =
    reference  1 4 2 5 9 .      sorted, but for one pair of neighbours that is swapped: reward 4/6
    rejected   5 2 9 1 4 .      the digits as they came
    best       1 2 4 5 9 .      reward 1

The reward is the share of the six positions (five digits and the end) that are right, so that a rule grades
every answer, the teacher is good but never perfect, and what is better than the teacher can be found.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Batch, Tokens

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

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G 1"]:
        """Right positions / 6: exact, in [0, 1], and 1 for the sorted digits alone."""
        best = _ending(batch.prompts.ids[:, :LENGTH].sort(dim=-1).values, END).ids
        width = min(ids.shape[-1], ANSWER)
        right = (ids[..., :width] == best[:, None, :width]) & mask[..., :width]
        return right.sum(dim=-1, keepdim=True) / ANSWER


class Drafts(Sorting):
    """What the base policy is made from: the digits in a random order, but one answer in ten is sorted."""

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """Prompts of the task, with drafts for references."""
        batch = super().draw(rng)
        digits = batch.prompts.ids[:, :LENGTH]
        shuffled = digits.gather(1, torch.rand(self.batch, LENGTH, generator=rng).argsort(dim=-1))
        is_sorted = torch.rand(self.batch, 1, generator=rng) < 0.1
        drafts = torch.where(is_sorted, digits.sort(dim=-1).values, shuffled)
        return Batch(batch.prompts, _ending(drafts, END))


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
