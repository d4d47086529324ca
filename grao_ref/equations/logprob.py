"""Logits -> log π(token) -> the log-likelihood of a sequence (the inner sums of eq-1 and eq-3)."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.equations.checks import check, require_below
from grao_ref.equations.masked import hide, masked_mean, masked_sum


def token_logprobs(
    logits: Float[Tensor, "*batch T V"],
    ids: Int[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, "*batch T"]:
    """log π(o_t | q, o_<t) = log softmax(logits_t / τ)[o_t], where logits_t *predict* o_t.

    - `logits`: the model's unnormalised scores of all V tokens of the vocabulary, for each position t.
    - `ids`: the token o_t at each position, as its number in the vocabulary.
    - `mask`: True on the tokens that count. Ids and logits behind it are never looked at.
    - `temperature`: τ > 0, which the logits are divided by.

    Returns one log-probability for each token, in nats, exactly 0 where the mask is False. Half precision is computed
    and returned in float32.
    Raises `ValueError` on mismatched shapes, an id outside the vocabulary, temperature <= 0.
    Departure: the paper samples at τ = 0.7 and writes π_θ without τ; τ = 1 is as printed, and the
    sampler's τ makes the update on-policy.

    >>> token_logprobs(torch.zeros(1, 4), torch.tensor([2]), torch.tensor([True])).exp()
    tensor([0.2500])
    """
    check(locals(), "logits: ... V; ids: int ...; mask: bool ...; temperature: > 0")
    scored, chosen = logits[mask], ids[mask]  # only the rows that count: (n, V), (n,)
    require_below(logits.shape[-1], ids=chosen)
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

    - `logits`: the model's output for a row of L tokens, prompt and answer together.
    - `ids`: these tokens.
    - `mask`: True on the tokens that count, usually those of the answer.
    - `temperature`: as in `token_logprobs`.

    Returns L − 1 log-probabilities: entry t belongs to ids[t + 1] and mask[t + 1]. The first token has no prediction
    and is left out.
    Raises `ValueError` as `token_logprobs` does.
    """
    check(locals(), "logits: ... L V; ids: int ... L; mask: bool ... L")
    return token_logprobs(logits[..., :-1, :], ids[..., 1:], mask[..., 1:], temperature=temperature)


def probability_ratio(
    logprobs: Float[Tensor, "*batch T"], old_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]
) -> Float[Tensor, "*batch T"]:
    """ρ_t = π(o_t) / π_old(o_t), differentiable in `logprobs` alone; 1 where the mask is False.

    - `logprobs`: log π(o_t) of the sampled tokens under the policy that is trained, in nats.
    - `old_logprobs`: log π_old(o_t) of the same tokens under the policy that sampled them, a constant.
    - `mask`: True on the tokens that count.

    Returns one ratio for each token. It is bounded by a third of the dtype's largest number (1e38 in
    float32), with no gradient beyond: an infinite ratio would turn an advantage of 0 into NaN.
    Raises `ValueError` on mismatched shapes.

    >>> probability_ratio(torch.tensor([0.0, 9.0]), torch.tensor([-1.0, 1.0]), torch.tensor([True, False]))
    tensor([2.7183, 1.0000])
    """
    check(locals(), "logprobs, old_logprobs: ...")
    log_ratio = hide(logprobs - old_logprobs.detach(), mask)
    return log_ratio.clamp(max=math.log(torch.finfo(log_ratio.dtype).max) - 1).exp()


def sum_log_likelihood(
    token_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]
) -> Float[Tensor, "*batch"]:
    """log π(o | q) = Σ_t log π(o_t | q, o_<t), as DPO needs it.

    - `token_logprobs`: log π(o_t | q, o_<t) of each token of an answer, in nats.
    - `mask`: True on the tokens that count.

    Returns one log-likelihood for each answer, in nats; 0 for an answer without a token.
    Raises `ValueError` on mismatched shapes or a mask that is not boolean.
    """
    check(locals(), "token_logprobs: ...")
    return masked_sum(token_logprobs, mask)


def mean_log_likelihood(
    token_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]
) -> Float[Tensor, "*batch"]:
    """J_exploration(o) = 1/|o| Σ_t log π(o_t | q, o_<t); J_imitation(y) is the same of y (eq-1, eq-3).

    - `token_logprobs`: log π(o_t | q, o_<t) of each token of an answer, in nats.
    - `mask`: True on the tokens that count.

    Returns one mean for each answer, in nats per token; 0 for an answer without a token.
    Raises `ValueError` on mismatched shapes or a mask that is not boolean.

    >>> mean_log_likelihood(torch.tensor([-1.0, -3.0, 7.0]), torch.tensor([True, True, False]))
    tensor(-2.)
    """
    check(locals(), "token_logprobs: ...")
    return masked_mean(token_logprobs, mask)
