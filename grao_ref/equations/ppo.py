"""PPO (Schulman et al. 2017, arXiv:1707.06347): a critic's advantages and a clipped ratio, token by token.

Rewards, advantages and returns are constants; the policy and the critic are trained on
`ppo_objective` − value_coef · `value_error`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.advantage import standardize
from grao_ref.equations.checks import (
    require_dimensions,
    require_finite,
    require_float,
    require_fraction,
    require_mask,
    require_nonnegative,
    require_shape,
)
from grao_ref.equations.divergence import k1
from grao_ref.equations.logprob import probability_ratio
from grao_ref.equations.masked import hide


def token_rewards(
    scores: Float[Tensor, "*batch"],
    logprobs: Float[Tensor, "*batch T"],
    ref_logprobs: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    kl_coef: float,
) -> Float[Tensor, "*batch T"]:
    """r_t = 1[t is the last token]·R(o) − kl_coef·(log π(o_t) − log π_ref(o_t)).

    The score arrives with the last token that counts, never on padding; a sequence without tokens
    has no reward. Shapes: (...), (..., T), (..., T), (..., T) bool -> (..., T), without gradient.
    Raises `ValueError` on mismatched shapes, a negative or NaN kl_coef.
    """
    require_nonnegative(kl_coef=kl_coef)
    penalty = kl_coef * k1(logprobs, ref_logprobs, mask).detach()
    require_float(scores=scores)
    require_dimensions(1, mask=mask)
    require_shape(tuple(mask.shape[:-1]), scores=scores)
    tokens_left = mask.flip(-1).cumsum(dim=-1).flip(-1)
    is_last = mask & (tokens_left == 1)
    return hide(scores.detach()[..., None].expand(mask.shape), is_last) - penalty


def generalized_advantages(
    rewards: Float[Tensor, "*batch T"],
    values: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    gamma: float = 1.0,
    gae_lambda: float = 0.95,
) -> tuple[Float[Tensor, "*batch T"], Float[Tensor, "*batch T"]]:
    """A_t = Σ_k (γ λ_GAE)^k δ_(t+k) with δ_t = r_t + γ V_(t+1) − V_t, and the returns A_t + V_t.

    Schulman et al. 2016, arXiv:1506.02438. V is 0 after the last token; a masked position inside a
    sequence is skipped as if it were not there.
    Shapes: (..., T), (..., T), (..., T) bool -> advantages and returns (..., T), float32 at least, without gradient.
    Raises `ValueError` on mismatched shapes, γ or λ_GAE outside [0, 1].
    """
    require_fraction(gamma=gamma, gae_lambda=gae_lambda)
    require_float(rewards=rewards, values=values)
    require_shape(tuple(rewards.shape), values=values)
    require_dimensions(1, rewards=rewards)
    dtype = torch.promote_types(torch.promote_types(rewards.dtype, values.dtype), torch.float32)
    rewards, values = hide(rewards.detach(), mask), hide(values.detach(), mask).to(dtype)
    advantage = next_value = values.new_zeros(values.shape[:-1])
    advantages = torch.zeros_like(values)
    for t in reversed(range(mask.shape[-1])):
        delta = rewards[..., t] + gamma * next_value - values[..., t]
        advantage = torch.where(mask[..., t], delta + gamma * gae_lambda * advantage, advantage)
        next_value = torch.where(mask[..., t], values[..., t], next_value)
        advantages[..., t] = torch.where(mask[..., t], advantage, 0)
    return advantages, advantages + values


def whiten(advantages: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]) -> Float[Tensor, "*batch T"]:
    """(A − μ) / σ over all tokens that count in the batch, population deviation; 0 if they are all equal.

    A statistic of the whole batch: call it before the batch is split. Shapes: (..., T), (..., T) bool
    -> (..., T), without gradient. Raises `ValueError` on mismatched shapes, NaN or infinite tokens that count.
    """
    require_float(advantages=advantages)
    require_mask(mask=mask)
    require_shape(tuple(advantages.shape), mask=mask)
    tokens = advantages.detach()[mask]
    require_finite(advantages=tokens)
    if tokens.numel() == 0:
        return torch.zeros_like(advantages)
    return torch.zeros_like(advantages).masked_scatter(mask, standardize(tokens, tokens))


def ppo_objective(
    logprobs: Float[Tensor, "*batch T"],
    old_logprobs: Float[Tensor, "*batch T"],
    advantages: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    epsilon_low: float = 0.2,
    epsilon_high: float = 0.2,
) -> Float[Tensor, "*batch T"]:
    """min( ρ_t A_t, clip(ρ_t, 1 − ε_low, 1 + ε_high) A_t ) with ρ_t = π(o_t) / π_old(o_t), to be maximised.

    Shapes: four times (..., T) -> (..., T), 0 behind the mask. Differentiable in `logprobs` alone. On the
    policy that sampled, every ratio is 1: the value is A_t, and the gradient that of A_t log π (REINFORCE).
    Raises `ValueError` on mismatched shapes, a negative ε, ε_low > 1.
    """
    require_nonnegative(epsilon_high=epsilon_high)
    require_fraction(epsilon_low=epsilon_low)
    ratio = probability_ratio(logprobs, old_logprobs, mask)
    require_float(advantages=advantages)
    require_shape(tuple(ratio.shape), advantages=advantages)
    advantages = hide(advantages.detach(), mask)
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    return torch.minimum(ratio * advantages, clipped * advantages)


def value_error(
    values: Float[Tensor, "*batch T"],
    old_values: Float[Tensor, "*batch T"],
    returns: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    clip_range: float = 0.2,
) -> Float[Tensor, "*batch T"]:
    """½ max( (V_t − R_t)², (V_old,t + clip(V_t − V_old,t, ±c) − R_t)² ), to be *minimised*.

    Shapes: four times (..., T) -> (..., T), 0 behind the mask. Differentiable in `values` alone.
    Raises `ValueError` on mismatched shapes, a negative clip_range.
    """
    require_nonnegative(clip_range=clip_range)
    require_float(values=values, old_values=old_values, returns=returns)
    require_shape(tuple(values.shape), old_values=old_values, returns=returns)
    moved = hide(values - old_values.detach(), mask)
    ahead = hide(old_values.detach() - returns.detach(), mask)
    clipped = moved.clamp(-clip_range, clip_range)
    return torch.maximum((moved + ahead).square(), (clipped + ahead).square()) / 2
