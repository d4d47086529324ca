"""From unreduced terms to the one number that is minimised.

Every equation returns one term per prompt, sequence or token. They are summed here and divided by
a denominator that the caller counts over the *whole* batch of the optimiser step. The sum of the
micro-batches' losses is then the loss of the batch, and so are the gradients, however
the batch is split over accumulation steps or ranks. Dividing by a count of the micro-batch instead
is this field's commonest bug. The package's only minus sign for maximising is here as well.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.equations.checks import check


def batch_loss(
    terms: Float[Tensor, "*shape"], denominator: float | Int[Tensor, ""] | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """−1/D Σ terms: the loss whose descent maximises the mean of `terms`.

    - `terms`: an objective's terms, unreduced and to be maximised: one for each prompt, sequence or token.
    - `denominator`: D, counted over the whole batch by `sequence_count`, `token_count` or `token_budget`; for GRAO it
      is the number of prompts.

    Returns one number, summed in float32 at least.
    Raises `ValueError` unless D is finite and positive.

    >>> import torch
    >>> batch_loss(torch.tensor([1.0, 2.0, 3.0]), denominator=3)
    tensor(-2.)
    """
    if isinstance(denominator, Tensor) and denominator.dim() == 0:
        denominator = denominator.item()
    check(locals(), "terms: ...; denominator: > 0")
    return (-terms.sum(dtype=torch.promote_types(terms.dtype, torch.float32)) / denominator).to(terms.dtype)


def sequence_count(mask: Bool[Tensor, "*batch T"]) -> int:
    """How many sequences the batch has, by its `mask` of tokens that count; empty ones included, 1 for a batch of none.

    Raises `ValueError` on a mask that is not boolean.
    """
    check(locals(), "mask: bool ...")
    return max(math.prod(mask.shape[:-1]), 1)


def token_count(mask: Bool[Tensor, "*batch T"]) -> int:
    """How many tokens of the batch count, True in `mask`; 1 where none does, so that an empty batch has loss 0.

    Raises `ValueError` on a mask that is not boolean.
    """
    check(locals(), "mask: bool ...")
    return max(int(mask.sum()), 1)


def token_budget(mask: Bool[Tensor, "*batch T"], max_completion_length: int) -> int:
    """Sequences x `max_completion_length`: a constant, whatever was sampled and however it is padded.

    - `mask`: True on the batch's tokens that count.
    - `max_completion_length`: how many tokens an answer may have.

    Raises `ValueError` on a mask that is not boolean, max_completion_length <= 0.
    """
    check(locals(), "mask: bool ...; max_completion_length: > 0")
    return sequence_count(mask) * max_completion_length
