"""KL(π ‖ π_ref): exact, and the three estimators from samples of π (Schulman, "Approximating KL Divergence").

With r = log π_ref(o) − log π(o) at samples o ~ π:

| estimator            | mean of its value   | mean of its gradient                                        |
| -------------------- | ------------------- | ----------------------------------------------------------- |
| k1 = −r              | KL                  | 0: useless as a penalty in a loss, right in a reward        |
| k2 = r²/2            | biased              | ∇ KL(π ‖ π_ref)                                             |
| k3 = e^r − 1 − r     | KL                  | ∇ KL(π_ref ‖ π), the other direction                        |
| ratio · k3           | KL                  | ∇ KL(π ‖ π_ref) (`importance_corrected`, at π_old = π)      |

`tests/equations/test_divergence.py` shows every entry by enumeration. The estimators share their arguments:

- `logprobs`: log π(o_t) of the sampled tokens under the policy that is trained, in nats.
- `ref_logprobs`: log π_ref(o_t) of the same tokens under the frozen reference model. An estimator is differentiable
  in both; its gradient in the policy is the one of the table.
- `mask`: True on the tokens that count. The estimators are 0 elsewhere.

They raise `ValueError` on mismatched shapes, log-probabilities that are not floats, a mask that is not boolean.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.checks import check
from grao_ref.equations.logprob import probability_ratio
from grao_ref.equations.masked import hide


def exact_kl(logprobs: Float[Tensor, "*batch K"], ref_logprobs: Float[Tensor, "*batch K"]) -> Float[Tensor, "*batch"]:
    """KL(π ‖ π_ref) = Σ_a π(a) (log π(a) − log π_ref(a)) over all K actions or tokens, in nats.

    - `logprobs`: log π(a) of every action a, in nats.
    - `ref_logprobs`: log π_ref(a) of every action under the frozen reference model.

    Returns one divergence for each distribution, differentiable in both. An action of probability 0 adds 0.
    Raises `ValueError` on mismatched shapes.
    """
    check(locals(), "logprobs, ref_logprobs: ...")
    possible = logprobs.exp() != 0  # True for NaN, which has to stay visible
    return (hide(logprobs, possible).exp() * hide(logprobs - ref_logprobs, possible)).sum(dim=-1)


def k1(
    logprobs: Float[Tensor, "*batch T"],
    ref_logprobs: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
) -> Float[Tensor, "*batch T"]:
    """log π − log π_ref for each token: unbiased, of either sign. Arguments: see the top of this file."""
    return -_log_ratio(logprobs, ref_logprobs, mask)


def k2(
    logprobs: Float[Tensor, "*batch T"],
    ref_logprobs: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
) -> Float[Tensor, "*batch T"]:
    """½ (log π − log π_ref)² for each token: biased, never negative. Arguments: see the top of this file."""
    return _log_ratio(logprobs, ref_logprobs, mask).square() / 2


def k3(
    logprobs: Float[Tensor, "*batch T"],
    ref_logprobs: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
) -> Float[Tensor, "*batch T"]:
    """π_ref/π − 1 − log(π_ref/π) for each token: unbiased, never negative. Arguments: see the top of this file.

    Written with expm1, because e^r − 1 − r loses its sign near r = 0. Not clamped: it is inf where
    log(π_ref/π) > 88 in float32, and a trainer has to refuse such a step instead of hiding it.
    """
    r = _log_ratio(logprobs, ref_logprobs, mask)
    return torch.expm1(r) - r


def importance_corrected(
    divergence: Float[Tensor, "*batch T"],
    logprobs: Float[Tensor, "*batch T"],
    old_logprobs: Float[Tensor, "*batch T"],
    mask: Bool[Tensor, "*batch T"],
) -> Float[Tensor, "*batch T"]:
    """π/π_old · divergence: the estimate, and the gradient, for samples of π_old.

    - `divergence`: what one of the estimators gave each token, in nats.
    - `logprobs`: log π(o_t) under the policy that is trained.
    - `old_logprobs`: log π_old(o_t) under the policy that sampled, a constant.
    - `mask`: True on the tokens that count.

    Returns one corrected estimate for each token, 0 where the mask is False, differentiable in `divergence` and in
    `logprobs`.
    Raises `ValueError` as the estimators do.
    """
    check(locals(), "logprobs, divergence: ...")
    return probability_ratio(logprobs, old_logprobs, mask) * hide(divergence, mask)


def _log_ratio(logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor) -> Tensor:
    """r = log π_ref − log π where the mask is True, else 0: hidden before anything non-linear is applied."""
    check(locals(), "logprobs, ref_logprobs: ...")
    return hide(ref_logprobs - logprobs, mask)
