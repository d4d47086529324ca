"""From unreduced terms to the one number that is minimised.

Every equation returns one term per prompt, sequence or token. They are summed here and divided by
a denominator that the caller counts over the *whole* batch of the optimiser step. The sum of the
micro-batches' losses is then the loss of the batch, and their gradients add up likewise, however
the batch is split over accumulation steps or ranks. Dividing by a count of the micro-batch instead
is this field's commonest bug. The package's only minus sign for maximising stands here as well.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.equations.checks import require_float, require_mask, require_positive


def batch_loss(
    terms: Float[Tensor, "*shape"], denominator: float | Int[Tensor, ""] | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """−1/D Σ terms: the loss whose descent maximises the mean of `terms`.

    Shapes: any shape, one number D -> (), summed in float32 at least. D is counted over the whole batch, see
    `sequence_count`, `token_count` and `token_budget`; for GRAO it is the number of prompts.
    Raises `ValueError` unless D is finite and positive.

    >>> import torch
    >>> batch_loss(torch.tensor([1.0, 2.0, 3.0]), denominator=3)
    tensor(-2.)
    """
    require_float(terms=terms)
    if isinstance(denominator, Tensor) and denominator.dim() == 0:
        denominator = denominator.item()
    require_positive(denominator=denominator)
    return (-terms.sum(dtype=torch.promote_types(terms.dtype, torch.float32)) / denominator).to(terms.dtype)


def sequence_count(mask: Bool[Tensor, "*batch T"]) -> int:
    """How many sequences the batch has, empty ones included; 1 for a batch of none."""
    require_mask(mask=mask)
    return max(math.prod(mask.shape[:-1]), 1)


def token_count(mask: Bool[Tensor, "*batch T"]) -> int:
    """How many tokens count in the batch; 1 where none does, so that an empty batch has loss 0."""
    require_mask(mask=mask)
    return max(int(mask.sum()), 1)


def token_budget(mask: Bool[Tensor, "*batch T"], max_completion_length: int) -> int:
    """Sequences x `max_completion_length`: a constant, whatever was sampled and however it is padded."""
    require_positive(max_completion_length=max_completion_length)
    return sequence_count(mask) * max_completion_length
