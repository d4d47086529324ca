"""Logits -> log π(token) -> the log-likelihood of a sequence (the inner sums of eq-1 and eq-3)."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.equations.checks import (
    require_dimensions,
    require_float,
    require_ids,
    require_mask,
    require_positive,
    require_shape,
)
from grao_ref.equations.masked import hide, masked_mean, masked_sum


def token_logprobs(
    logits: Float[Tensor, "*batch T V"],
    ids: Int[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, "*batch T"]:
    """log π(o_t | q, o_<t) = log softmax(logits_t / τ)[o_t], where logits_t *predict* o_t.

    Shapes: (..., T, V), (..., T), (..., T) bool -> (..., T), exactly 0 behind the mask. Half
    precision is computed and returned in float32. Ids and logits behind the mask are never looked at.
    Raises `ValueError` on mismatched shapes, an id outside the vocabulary, temperature <= 0.
    Departure: the paper samples at τ = 0.7 and writes π_θ without τ; τ = 1 is as printed, and the
    sampler's τ makes the update on-policy.

    >>> token_logprobs(torch.zeros(1, 4), torch.tensor([2]), torch.tensor([True])).exp()
    tensor([0.2500])
    """
    require_float(logits=logits)
    require_mask(mask=mask)
    require_ids(ids=ids)
    require_dimensions(1, logits=logits)
    require_shape(tuple(logits.shape[:-1]), ids=ids, mask=mask)
    require_positive(temperature=temperature)
    scored, chosen = logits[mask], ids[mask]  # only the rows that count: (n, V), (n,)
    outside = (chosen < 0) | (chosen >= logits.shape[-1])
    if outside.any():
        raise ValueError(f"ids must lie in [0, {logits.shape[-1]}), got {chosen[outside][0].item()}")
    scored = scored.to(torch.promote_types(logits.dtype, torch.float32))
    logprobs = torch.log_softmax(scored / temperature, dim=-1).gather(-1, chosen[:, None]).squeeze(-1)
    return logprobs.new_zeros(mask.shape).masked_scatter(mask, logprobs)


def next_token_logprobs(
    logits: Float[Tensor, "*batch L V"],
    ids: Int[Tensor, "*batch L"],
    mask: Bool[Tensor, "*batch L"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, "*batch L-1"]:
    """`token_logprobs` of a causal model's raw output, where the logits at t predict the token at t + 1.

    Shapes: (..., L, V), (..., L), (..., L) bool -> (..., L−1); entry t belongs to ids[t + 1] and
    mask[t + 1]. The first token has no prediction and drops out.
    """
    require_float(logits=logits)
    require_mask(mask=mask)
    require_ids(ids=ids)
    require_dimensions(2, logits=logits)
    require_shape(tuple(logits.shape[:-1]), ids=ids, mask=mask)
    return token_logprobs(logits[..., :-1, :], ids[..., 1:], mask[..., 1:], temperature=temperature)


def probability_ratio(
    logprobs: Float[Tensor, "*batch T"], old_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]
) -> Float[Tensor, "*batch T"]:
    """ρ_t = π(o_t) / π_old(o_t), differentiable in `logprobs` alone; 1 behind the mask.

    Shapes: three times (..., T) -> (..., T). Bounded by a third of the dtype's largest number (1e38 in
    float32), with no gradient beyond: an infinite ratio would turn an advantage of 0 into NaN.
    Raises `ValueError` on mismatched shapes.

    >>> probability_ratio(torch.tensor([0.0, 9.0]), torch.tensor([-1.0, 1.0]), torch.tensor([True, False]))
    tensor([2.7183, 1.0000])
    """
    require_float(logprobs=logprobs, old_logprobs=old_logprobs)
    require_shape(tuple(logprobs.shape), old_logprobs=old_logprobs)
    log_ratio = hide(logprobs - old_logprobs.detach(), mask)
    return log_ratio.clamp(max=math.log(torch.finfo(log_ratio.dtype).max) - 1).exp()


def sum_log_likelihood(
    token_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]
) -> Float[Tensor, "*batch"]:
    """log π(o | q) = Σ_t log π(o_t | q, o_<t), as DPO needs it. Shapes: (..., T), (..., T) bool -> (...)."""
    require_float(token_logprobs=token_logprobs)
    return masked_sum(token_logprobs, mask)


def mean_log_likelihood(
    token_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]
) -> Float[Tensor, "*batch"]:
    """J_exploration(o) = 1/|o| Σ_t log π(o_t | q, o_<t); J_imitation(y) is the same of y (eq-1, eq-3).

    Shapes: (..., T), (..., T) bool -> (...), in nats per token; 0 for a sequence without a token.
    Raises `ValueError` on mismatched shapes or a mask that is not boolean.

    >>> mean_log_likelihood(torch.tensor([-1.0, -3.0, 7.0]), torch.tensor([True, True, False]))
    tensor(-2.)
    """
    require_float(token_logprobs=token_logprobs)
    return masked_mean(token_logprobs, mask)
