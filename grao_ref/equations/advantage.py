"""eq-4: how much better than its group an answer is, in standard deviations."""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.checks import (
    require_dimensions,
    require_finite,
    require_float,
    require_group,
    require_one_of,
    require_shape,
)

POOLS = ("with_reference", "outputs")


def group_advantages(
    rewards: Float[Tensor, "*batch G"],
    reference_reward: Float[Tensor, "*batch"],
    *,
    pool: str = "with_reference",
) -> tuple[Float[Tensor, "*batch G"], Float[Tensor, "*batch"]]:
    """Â_i = (R(o_i, y) − μ_r) / σ_r for the outputs, and Â_y = (R(y, y) − μ_r) / σ_r (eq-4).

    μ_r and the population deviation σ_r run over P rewards, and the paper can be read in two ways:
    `pool="with_reference"` lets the reference join the group (P = G + 1, the default), while
    `pool="outputs"` keeps to the G outputs as printed.

    Shapes: (..., G), (...) -> (..., G), (...), without gradient, in the inputs' dtype (of two dtypes, the wider;
    0.1 in float32 is then another reward than 0.1 in float64).
    Over the pool ΣÂ = 0, mean Â² = 1 and |Â| <= √(P − 1) (thm-2); in `outputs` Â_y is unbounded.
    Raises `ValueError` on mismatched shapes, G < 2, NaN or infinite rewards, an unknown pool, and
    advantages that overflow the dtype.
    Departure: σ_r = 0 is undefined in the paper; a flat pool gives exactly 0 here, with no ε anywhere.

    >>> group_advantages(torch.tensor([0.0, 0.0]), torch.tensor(1.0))
    (tensor([-0.7071, -0.7071]), tensor(1.4142))
    """
    require_float(rewards=rewards, reference_reward=reference_reward)
    require_group(rewards=rewards)
    require_shape(tuple(rewards.shape[:-1]), reference_reward=reference_reward)
    require_finite(rewards=rewards, reference_reward=reference_reward)
    require_one_of(POOLS, pool=pool)
    members = torch.cat([rewards, reference_reward[..., None]], dim=-1)  # (..., G + 1), the reference last
    advantages = standardize(members, members if pool == "with_reference" else rewards)
    return advantages[..., :-1], advantages[..., -1]


def scorable_advantages(
    rewards: Float[Tensor, "*batch G"], reference_reward: Float[Tensor, "*batch"], *, pool: str = "with_reference"
) -> tuple[Float[Tensor, "*batch G"], Float[Tensor, "*batch"]]:
    """eq-4 where NaN marks an answer that could not be scored: it leaves the pool, and its advantage is 0.

    What is left has the advantages it would have without that answer; a reference that could not be scored leaves a
    pool of outputs, and a group with nothing to compare is flat. Shapes and errors: as `group_advantages`, but for NaN.
    The caller sees to it that the mean over the group (1/G in eq-3) runs over those that were scored.

    >>> scorable_advantages(torch.tensor([0.0, 1.0, torch.nan]), torch.tensor(torch.nan))
    (tensor([-1.,  1.,  0.]), tensor(0.))
    """
    if not (rewards.isnan().any() or reference_reward.isnan().any()):
        return group_advantages(rewards, reference_reward, pool=pool)
    require_group(rewards=rewards)
    require_shape(tuple(rewards.shape[:-1]), reference_reward=reference_reward)
    require_one_of(POOLS, pool=pool)
    members = torch.cat([rewards, reference_reward[..., None]], dim=-1)
    found = torch.zeros_like(members)
    for row, scores in zip(found.view(-1, members.shape[-1]), members.view(-1, members.shape[-1]), strict=True):
        scored = ~scores.isnan()
        require_finite(rewards=scores[scored])
        pooled = scores[:-1][scored[:-1]] if pool == "outputs" else scores[scored]
        if len(pooled) > 0:
            row[scored] = standardize(scores[scored], pooled)
    return found[..., :-1], found[..., -1]


def standardize(values: Float[Tensor, "*batch M"], pool: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch M"]:
    """(values − μ) / σ with the mean and the population deviation of `pool`; exactly 0 if it is flat.

    eq-4 does not change under r -> a·r + c, so it is evaluated on the pool mapped onto [0, 1]. There
    a constant pool is exactly 0 (the deviation of seven 0.95s is often not), nothing cancels, and
    σ >= 1/√(2P): no division ever comes near 0.

    Shapes: (..., M), (..., P) -> (..., M). At least float32 inside, the dtype of `values` outside.
    Raises `ValueError` on mismatched leading shapes, an empty pool, and results that overflow the dtype.
    """
    require_float(values=values, pool=pool)
    require_dimensions(1, values=values, pool=pool)
    require_shape((*values.shape[:-1], max(pool.shape[-1], 1)), pool=pool)
    values, pool = values.detach(), pool.detach().to(torch.promote_types(pool.dtype, torch.float32))
    lowest = pool.amin(dim=-1, keepdim=True)
    span = pool.amax(dim=-1, keepdim=True) - lowest
    flat = span == 0
    unit_values, unit_pool = (values - lowest) / span, (pool - lowest) / span

    mu = unit_pool.mean(dim=-1, keepdim=True)  #                             μ_r = 1/P Σ_j R_j
    sigma = (unit_pool - mu).square().mean(dim=-1, keepdim=True).sqrt()  #   σ_r = √( 1/P Σ_j (R_j − μ_r)² )
    advantages = (unit_values - mu) / sigma  #                               Â_i = (R_i − μ_r) / σ_r

    advantages = torch.where(flat, torch.zeros_like(advantages), advantages).to(values.dtype)
    if not advantages.isfinite().all():
        raise ValueError(
            f"rewards must give advantages that {values.dtype} can hold, got an overflow: "
            "their span, or the reference's distance from the outputs' pool, is too large"
        )
    return advantages


def scored_advantages(rewards, reference_reward, *, scored, reference_scored, pool="with_reference"):
    if scored.all() and reference_scored.all():
        return group_advantages(rewards, reference_reward, pool=pool)
    return scorable_advantages(
        rewards.masked_fill(~scored, torch.nan), reference_reward.masked_fill(~reference_scored, torch.nan), pool=pool
    )
