"""PPO (Schulman et al. 2017, arXiv:1707.06347): a critic's advantages and a clipped ratio, token by token.

Rewards, advantages and returns are constants; the policy and the critic are trained on
`ppo_objective` − value_coef · `value_error`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.advantage import standardize
from grao_ref.equations.checks import check, require_finite
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

    - `scores`: R(o), what the reward function gave each whole answer, in any units.
    - `logprobs`: log π(o_t) of its tokens under the policy that sampled them, in nats.
    - `ref_logprobs`: log π_ref(o_t) of the same tokens under the frozen reference model.
    - `mask`: True on the tokens that count.
    - `kl_coef`: what a nat of divergence costs, in the rewards' units, >= 0.

    Returns one reward for each token, without gradient. The last token that counts gets the score, padding never
    does; a sequence without tokens has no reward.
    Raises `ValueError` on mismatched shapes, a negative or NaN kl_coef.
    """
    check(locals(), "mask: bool ... T; scores: ...; kl_coef: >= 0")
    penalty = kl_coef * k1(logprobs, ref_logprobs, mask).detach()
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

    - `rewards`: r_t of each token, as `token_rewards` gives them.
    - `values`: V_t, the critic's estimate of the discounted rewards from token t on, in their units.
    - `mask`: True on the tokens that count.
    - `gamma`: γ, how much a reward one token later counts, in [0, 1].
    - `gae_lambda`: λ_GAE in [0, 1]. At 1 an advantage is the sum of rewards minus V_t, at 0 it is δ_t alone.

    Returns the advantages and the returns (the critic's targets) of each token, in the rewards' units,
    float32 at least, 0 where the mask is False, without gradient.
    Raises `ValueError` on mismatched shapes, γ or λ_GAE outside [0, 1].
    """
    check(locals(), "rewards, values: ... T; mask: bool ... T; gamma, gae_lambda: in [0, 1]")
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

    μ and σ belong to the whole batch: call it before the batch is split.

    - `advantages`: A_t of each token of the batch, in the rewards' units.
    - `mask`: True on the tokens that count.

    Returns the advantages in standard deviations, 0 where the mask is False, without gradient.
    Raises `ValueError` on mismatched shapes, NaN or infinite tokens that count.
    """
    check(locals(), "advantages: ...; mask: bool ...")
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

    - `logprobs`: log π(o_t) of the sampled tokens under the policy that is trained, in nats.
    - `old_logprobs`: log π_old(o_t) of the same tokens under the policy that sampled them, a constant.
    - `advantages`: A_t of each token, a constant; whitened or not.
    - `mask`: True on the tokens that count.
    - `epsilon_low`, `epsilon_high`: how far the ratio may move below and above 1 before its gradient stops.

    Returns one term for each token, 0 where the mask is False, differentiable in `logprobs` alone. On the
    policy that sampled, every ratio is 1: the value is A_t, and the gradient that of A_t log π (REINFORCE).
    Raises `ValueError` on mismatched shapes, a negative ε, ε_low > 1.
    """
    check(locals(), "logprobs, advantages: ...; epsilon_low: in [0, 1]; epsilon_high: >= 0")
    advantages = hide(advantages.detach(), mask)
    ratio = probability_ratio(logprobs, old_logprobs, mask)  #             ρ_t
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)  #            clip(ρ_t, 1 − ε_low, 1 + ε_high)
    return torch.minimum(ratio * advantages, clipped * advantages)  #      min( ρ_t A_t, clip(ρ_t) A_t )


def value_error(
    values: Float[Tensor, "*batch T"],
    old_values: Float[Tensor, "*batch T"],
    returns: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
    *,
    clip_range: float = 0.2,
) -> Float[Tensor, "*batch T"]:
    """½ max( (V_t − R_t)², (V_old,t + clip(V_t − V_old,t, ±c) − R_t)² ), to be *minimised*.

    - `values`: V_t, the critic's estimate for each token as it is now, in the rewards' units.
    - `old_values`: V_old,t, its estimate when the batch was collected, a constant.
    - `returns`: R_t, its target, as `generalized_advantages` gives it, a constant.
    - `mask`: True on the tokens that count.
    - `clip_range`: c >= 0, how far V_t may move from V_old,t before its gradient stops, in the rewards' units.

    Returns one error for each token, 0 where the mask is False, differentiable in `values` alone.
    Raises `ValueError` on mismatched shapes, a negative clip_range.
    """
    check(locals(), "values, old_values, returns: ...; clip_range: >= 0")
    moved = hide(values - old_values.detach(), mask)  #                    V_t − V_old,t
    ahead = hide(old_values.detach() - returns.detach(), mask)  #          V_old,t − R_t
    clipped = moved.clamp(-clip_range, clip_range)  #                      clip(V_t − V_old,t, ±c)
    return torch.maximum((moved + ahead).square(), (clipped + ahead).square()) / 2
