"""The only sums and means over padded positions.

A mask is boolean, True on the tokens that count, and made from lengths, never from token ids.
What stands behind it (NaN, inf, stale numbers) changes no value and no gradient. That needs the
*inputs* hidden before anything non-linear: a NaN that is masked after `exp` still has a NaN
gradient, because 0 * NaN is NaN.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.checks import require_dimensions, require_float, require_mask, require_shape


def hide(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`values` where the mask is True, exactly 0 elsewhere; no gradient flows behind the mask.

    Shapes: (...), (...) bool -> (...). Raises `ValueError` on a mask of another shape or dtype.

    >>> hide(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))
    tensor([1., 0.])
    """
    require_float(values=values)
    require_mask(mask=mask)
    require_shape(tuple(values.shape), mask=mask)
    return torch.where(mask, values, torch.zeros_like(values))


def masked_sum(values: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]) -> Float[Tensor, "*batch"]:
    """Σ_t values_t over the tokens that count. Shapes: (..., T), (..., T) bool -> (...).

    Half precision is added up in float32 and rounded once.
    """
    return _sum(values, mask).to(values.dtype)


def masked_mean(values: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]) -> Float[Tensor, "*batch"]:
    """1/|o| Σ_t values_t, where |o| is the number of tokens that count; 0 when there are none.

    Shapes: (..., T), (..., T) bool -> (...). Half precision is averaged in float32 and rounded once.

    >>> masked_mean(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([2.])
    """
    return (_sum(values, mask) / mask.sum(dim=-1).clamp(min=1)).to(values.dtype)


def _sum(values: Tensor, mask: Tensor) -> Tensor:
    hidden = hide(values, mask)
    require_dimensions(1, values=values)
    return hidden.sum(dim=-1, dtype=torch.promote_types(values.dtype, torch.float32))


def over_scored(values, scored):
    count = scored.sum(dim=-1, keepdim=True).clamp(min=1)
    return hide(values, scored) * (values.shape[-1] / count)
