"""The only sums and means over padded positions, and over what could be scored.

A mask is boolean, True on the entries that count: on tokens (made from lengths, never from token ids), or on answers
that have a reward. Padding (NaN, inf, old numbers) changes no value and no gradient. The inputs
have to be hidden before anything non-linear: a NaN that is masked after `exp` still has a NaN gradient, because
0 * NaN is NaN.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.checks import check


def hide(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`values` where the mask is True, exactly 0 elsewhere; no gradient flows there.

    - `values`: any numbers, such as log-probabilities; where the mask is False also NaN or infinity.
    - `mask`: True on the values that count.

    Raises `ValueError` on a mask of another shape or dtype.

    >>> hide(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))
    tensor([1., 0.])
    """
    check(locals(), "values: ...; mask: bool ...")
    return _hidden(values, mask)


def masked_sum(values: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]) -> Float[Tensor, "*batch"]:
    """Σ_t values_t over the tokens that count.

    - `values`: one number for each token, such as its log-probability.
    - `mask`: True on the tokens that count.

    Returns one sum for each sequence. Half precision is added up in float32 and rounded once.
    Raises `ValueError` on mismatched shapes or a mask that is not boolean.
    """
    return _sum(values, mask).to(values.dtype)


def masked_mean(values: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]) -> Float[Tensor, "*batch"]:
    """1/|o| Σ_t values_t, where |o| is the number of tokens that count; 0 when there are none.

    - `values`: one number for each token of a sequence; or for each of a group's G outputs.
    - `mask`: True on the tokens that count; or on the outputs that could be scored.

    Returns one mean for each sequence or group. Half precision is averaged in float32 and rounded once.
    Raises `ValueError` on mismatched shapes or a mask that is not boolean.

    >>> masked_mean(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([2.])
    """
    return (_sum(values, mask) / mask.sum(dim=-1).clamp(min=1)).to(values.dtype)


def over_scored(values: Float[Tensor, "*batch G"], scored: Bool[Tensor, "*batch G"]) -> Float[Tensor, "*batch G"]:
    """G / n · values_i on the n outputs that could be scored, 0 on the others: 1/G Σ_i becomes 1/n Σ_i.

    An equation that averages over the group (`grao_objective`: 1/G Σ_i Â_oi …) is linear in the advantages. Given
    `over_scored(advantages, scored)`, its mean runs over the scored outputs alone.

    - `values`: one number for each of a group's G outputs, such as its advantage; where the mask is False also NaN.
    - `scored`: True on the outputs that could be scored.

    Returns numbers whose mean over all G is the mean of `values` over the n that were scored; all 0 where n = 0.
    Raises `ValueError` on mismatched shapes, G < 2, or a mask that is not boolean.

    >>> over_scored(torch.tensor([1.0, 3.0, 9.0, 9.0]), torch.tensor([True, True, False, False]))
    tensor([2., 6., 0., 0.])
    """
    check(locals(), "values: ... G; scored: bool ... G")
    share = scored.to(values.dtype).mean(dim=-1, keepdim=True).clamp(min=1 / scored.shape[-1])  # n / G
    return hide(values, scored) / share


def _sum(values: Tensor, mask: Tensor) -> Tensor:
    check(locals(), "values: ... T; mask: bool ... T")
    return _hidden(values, mask).sum(dim=-1, dtype=torch.promote_types(values.dtype, torch.float32))


def _hidden(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, torch.zeros_like(values))
