"""eq-4: how much better than its group an answer is, in standard deviations."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.checks import check, require_finite, require_one_of
from grao_ref.equations.masked import hide, masked_mean

POOLS = ("with_reference", "outputs")


def group_advantages(
    rewards: Float[Tensor, "*batch G"],
    reference_reward: Float[Tensor, "*batch"],
    *,
    pool: str = "with_reference",
) -> tuple[Float[Tensor, "*batch G"], Float[Tensor, "*batch"]]:
    """Â_i = (R(o_i, y) − μ_r) / σ_r for the outputs, and Â_y = (R(y, y) − μ_r) / σ_r (eq-4).

    - `rewards`: R(o_i, y), what the reward function gave each of a prompt's G outputs, in any units.
    - `reference_reward`: R(y, y), what the same function gave the prompt's reference.
    - `pool`: which P rewards μ_r and the population deviation σ_r run over; the paper can be read in two ways.
      "with_reference" lets the reference join the group (P = G + 1), "outputs" keeps to the G outputs as printed.

    Returns the advantages of the outputs and of the reference, in standard deviations of the pool, without gradient.
    They have the inputs' dtype (of two, the wider; 0.1 in float32 is then another reward than 0.1 in float64).
    Over the pool ΣÂ = 0, mean Â² = 1 and |Â| <= √(P − 1) (thm-2); in "outputs" Â_y is unbounded.
    Raises `ValueError` on mismatched shapes, G < 2, NaN or infinite rewards, an unknown pool, and
    advantages that overflow the dtype.
    Departure: σ_r = 0 is undefined in the paper; a flat pool gives exactly 0 here, with no ε anywhere.

    >>> group_advantages(torch.tensor([0.0, 0.0]), torch.tensor(1.0))
    (tensor([-0.7071, -0.7071]), tensor(1.4142))
    """
    check(locals(), "rewards: finite ... G; reference_reward: finite ...")
    require_one_of(POOLS, pool=pool)
    members = torch.cat([rewards, reference_reward[..., None]], dim=-1)  # (..., G + 1), the reference last
    advantages = standardize(members, members if pool == "with_reference" else rewards)
    return advantages[..., :-1], advantages[..., -1]


def scored_advantages(
    rewards: Float[Tensor, "*batch G"],
    reference_reward: Float[Tensor, "*batch"],
    *,
    scored: Bool[Tensor, "*batch G"],
    reference_scored: Bool[Tensor, "*batch"],
    pool: str = "with_reference",
) -> tuple[Float[Tensor, "*batch G"], Float[Tensor, "*batch"]]:
    """eq-4 where some answers could not be scored: they leave the pool, and their advantage is 0.

    - `rewards`, `reference_reward`, `pool`: as in `group_advantages`; rewards where the masks are False are ignored.
    - `scored`: True for each output that has a reward.
    - `reference_scored`: True where the reference has a reward. Where it has none, the pool is the outputs alone.

    Returns what `group_advantages` would give the scored answers by themselves; a pool of one or none is flat, and
    gives 0. The means over the group in eq-3 (1/G Σ_i) then have to run over the scored outputs: see `over_scored`.
    Raises `ValueError` as `group_advantages` does, on NaN and infinity only where they are scored.

    >>> scored = torch.tensor([True, True, False])
    >>> scored_advantages(torch.tensor([0.0, 1.0, torch.nan]), torch.tensor(torch.nan),
    ...                   scored=scored, reference_scored=torch.tensor(False))
    (tensor([-1.,  1.,  0.]), tensor(0.))
    """
    check(locals(), "rewards: ... G; reference_reward: ...; scored: bool ... G; reference_scored: bool ...")
    if scored.all() and reference_scored.all():
        return group_advantages(rewards, reference_reward, pool=pool)
    require_one_of(POOLS, pool=pool)
    rewards, reference_reward = hide(rewards, scored), hide(reference_reward, reference_scored)
    require_finite(rewards=rewards, reference_reward=reference_reward)

    members = torch.cat([rewards, reference_reward[..., None]], dim=-1)
    counted = torch.cat([scored, reference_scored[..., None]], dim=-1)
    first = members.gather(-1, counted.int().argmax(dim=-1, keepdim=True))
    members = torch.where(counted, members, first)  # unscored answers copy a scored one: the pool's range is unchanged
    size = members.shape[-1] if pool == "with_reference" else members.shape[-1] - 1
    in_pool = counted[..., :size]
    advantages = _standardize(members, members[..., :size], lambda x: masked_mean(x, in_pool)[..., None])
    advantages = hide(advantages, counted)
    return advantages[..., :-1], advantages[..., -1]


def standardize(values: Float[Tensor, "*batch M"], pool: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch M"]:
    """(values − μ) / σ with the mean and the population deviation of `pool`; exactly 0 if it is flat.

    - `values`: M numbers to be measured, such as the rewards of a group.
    - `pool`: the P >= 1 numbers that they are measured against, in the same units.

    Returns the values in standard deviations of the pool, without gradient, in the dtype of `values`; computed in
    float32 at least.
    Raises `ValueError` on mismatched leading shapes, an empty pool, and results that overflow the dtype.
    """
    check(locals(), "values: ... M; pool: ... P")
    return _standardize(values, pool, lambda x: x.mean(dim=-1, keepdim=True))


def _standardize(values: Tensor, pool: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """`standardize`, where `mean` averages over the pool.

    eq-4 does not change under r -> a·r + c, so it is evaluated on the pool mapped onto [0, 1]. There
    a constant pool is exactly 0 (the deviation of seven 0.95s is often not), nothing cancels, and
    σ >= 1/√(2P): no division ever comes near 0.
    """
    values, pool = values.detach(), pool.detach().to(torch.promote_types(pool.dtype, torch.float32))
    lowest = pool.amin(dim=-1, keepdim=True)
    span = pool.amax(dim=-1, keepdim=True) - lowest
    flat = span == 0
    unit_values, unit_pool = (values - lowest) / span, (pool - lowest) / span

    mu = mean(unit_pool)  #                             μ_r = 1/P Σ_j R_j
    sigma = mean((unit_pool - mu).square()).sqrt()  #   σ_r = √( 1/P Σ_j (R_j − μ_r)² )
    advantages = (unit_values - mu) / sigma  #          Â_i = (R_i − μ_r) / σ_r

    advantages = torch.where(flat, torch.zeros_like(advantages), advantages).to(values.dtype)
    if not advantages.isfinite().all():
        raise ValueError(
            f"rewards must give advantages that {values.dtype} can hold, got an overflow: "
            "their span, or the reference's distance from the outputs' pool, is too large"
        )
    return advantages
