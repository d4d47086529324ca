"""DPO (Rafailov et al. 2023, arXiv:2305.18290) and IPO (Azar et al. 2023, arXiv:2310.12036).

Both see a pair only through its margin Δ, how much further than the frozen reference model the policy
prefers the chosen answer. Their temperature is called `kl_coef` here (β in the DPO paper, τ in the IPO
paper), because β is GRAO's imitation weight in this package.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.checks import require_float, require_positive, require_shape


def preference_margin(
    chosen: Float[Tensor, "*batch"],
    rejected: Float[Tensor, "*batch"],
    ref_chosen: Float[Tensor, "*batch"],
    ref_rejected: Float[Tensor, "*batch"],
) -> Float[Tensor, "*batch"]:
    """Δ = (log π(y_w) − log π_ref(y_w)) − (log π(y_l) − log π_ref(y_l)).

    Shapes: four times (...) -> (...). Differentiable in the policy's log-likelihoods; the reference
    model's are constants. Raises `ValueError` on mismatched shapes.
    """
    require_float(chosen=chosen, rejected=rejected, ref_chosen=ref_chosen, ref_rejected=ref_rejected)
    require_shape(tuple(chosen.shape), rejected=rejected, ref_chosen=ref_chosen, ref_rejected=ref_rejected)
    return (chosen - ref_chosen.detach()) - (rejected - ref_rejected.detach())


def dpo_objective(
    chosen: Float[Tensor, "*batch"],
    rejected: Float[Tensor, "*batch"],
    ref_chosen: Float[Tensor, "*batch"],
    ref_rejected: Float[Tensor, "*batch"],
    *,
    kl_coef: float,
) -> Float[Tensor, "*batch"]:
    """log σ(kl_coef · Δ) per pair, to be maximised, of *summed* log-likelihoods (`sum_log_likelihood`).

    Shapes: four times (...) -> (...); −log 2 where policy and reference model agree.
    Raises `ValueError` on mismatched shapes, kl_coef <= 0.
    """
    require_positive(kl_coef=kl_coef)
    margin = preference_margin(chosen, rejected, ref_chosen, ref_rejected)
    return torch.nn.functional.logsigmoid(kl_coef * margin)


def ipo_objective(
    chosen: Float[Tensor, "*batch"],
    rejected: Float[Tensor, "*batch"],
    ref_chosen: Float[Tensor, "*batch"],
    ref_rejected: Float[Tensor, "*batch"],
    *,
    kl_coef: float,
) -> Float[Tensor, "*batch"]:
    """−(Δ − 1/(2·kl_coef))² per pair, to be maximised, of *mean* log-likelihoods (`mean_log_likelihood`).

    Shapes: four times (...) -> (...). The margin has a target instead of growing without end.
    Raises `ValueError` on mismatched shapes, kl_coef <= 0.
    Departure: the IPO paper sums over tokens; means keep the target independent of length, as TRL does.
    """
    require_positive(kl_coef=kl_coef)
    margin = preference_margin(chosen, rejected, ref_chosen, ref_rejected)
    return -(margin - 1 / (2 * kl_coef)).square()
