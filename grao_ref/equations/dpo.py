"""DPO (Rafailov et al. 2023, arXiv:2305.18290) and IPO (Azar et al. 2023, arXiv:2310.12036).

Both depend on a pair only through its margin Δ: how much more the policy prefers the chosen answer than the frozen
reference model does. Their temperature is called `kl_coef` here (β in the DPO paper, τ in the IPO
paper), because β is GRAO's imitation weight in this package.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.checks import check


def preference_margin(
    chosen: Float[Tensor, "*batch"],
    rejected: Float[Tensor, "*batch"],
    ref_chosen: Float[Tensor, "*batch"],
    ref_rejected: Float[Tensor, "*batch"],
) -> Float[Tensor, "*batch"]:
    """Δ = (log π(y_w) − log π_ref(y_w)) − (log π(y_l) − log π_ref(y_l)).

    - `chosen`, `rejected`: log π(y_w) and log π(y_l), the policy's log-likelihoods of each pair's preferred and other
      answer, in nats: of whole answers for DPO, per token for IPO.
    - `ref_chosen`, `ref_rejected`: log π_ref(y_w) and log π_ref(y_l), the same of the frozen reference model.

    Returns one margin for each pair, in nats. Differentiable in the policy's log-likelihoods; the reference
    model's are constants.
    Raises `ValueError` on mismatched shapes or log-likelihoods that are not floats.
    """
    check(locals(), "chosen, rejected, ref_chosen, ref_rejected: ...")
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

    - `chosen`, `rejected`, `ref_chosen`, `ref_rejected`: as in `preference_margin`.
    - `kl_coef`: how strongly the policy is held to the reference model, > 0; large values allow small margins only.

    Returns one term for each pair; −log 2 where policy and reference model agree.
    Raises `ValueError` on mismatched shapes, kl_coef <= 0.
    """
    check(locals(), "kl_coef: > 0")
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

    - `chosen`, `rejected`, `ref_chosen`, `ref_rejected`: as in `preference_margin`.
    - `kl_coef`: sets the margin's target 1/(2·kl_coef), > 0.

    Returns one term for each pair. The margin has a target instead of growing without end.
    Raises `ValueError` on mismatched shapes, kl_coef <= 0.
    Departure: the IPO paper sums over tokens; means keep the target independent of length, as TRL does.
    """
    check(locals(), "kl_coef: > 0")
    margin = preference_margin(chosen, rejected, ref_chosen, ref_rejected)
    return -(margin - 1 / (2 * kl_coef)).square()
