"""eq-3, the objective of GRAO, as printed; its collapsed form (thm-1); the repair (thm-4).

The functions share their arguments:

| argument              | in the paper     | what it is                                                          |
| --------------------- | ---------------- | ------------------------------------------------------------------- |
| `output_loglik`       | J_exploration(o) | mean log-likelihood of each of a prompt's G outputs, nats per token |
| `reference_loglik`    | J_imitation(y)   | mean log-likelihood of the prompt's reference, nats per token       |
| `advantages`          | Â_oi             | eq-4 of each output, in standard deviations: constants              |
| `reference_advantage` | Â_y              | eq-4 of the reference, in the same units: a constant                |
| `beta`, `lam`         | β, λ             | weights of imitation and alignment, numbers >= 0                    |
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.checks import check

ADVANTAGES = "advantages: finite ... G; reference_advantage: finite ...; beta, lam: >= 0"
TERMS = "output_loglik: ... G; " + ADVANTAGES + "; reference_loglik: ..."


class GRAOTerms(NamedTuple):
    """eq-3 before any reduction over prompts: total = exploration + β · imitation + λ · alignment."""

    exploration: Float[Tensor, "*batch"]
    imitation: Float[Tensor, "*batch"]
    alignment: Float[Tensor, "*batch"]
    total: Float[Tensor, "*batch"]


def grao_objective(
    output_loglik: Float[Tensor, "*batch G"],
    reference_loglik: Float[Tensor, "*batch"],
    advantages: Float[Tensor, "*batch G"],
    reference_advantage: Float[Tensor, "*batch"],
    *,
    beta: float,
    lam: float,
) -> GRAOTerms:
    """J = 1/G Σ_i [ Â_oi·J_exploration(o_i) + β Â_y·J_imitation(y) + λ Â_oi·(J_exploration(o_i) − J_imitation(y)) ].

    eq-3, to be maximised. Arguments: see the top of this file.
    Returns one number of each term for each prompt. The three terms are without their weights β and λ; `total` is
    their weighted sum. Differentiable in the log-likelihoods; advantages are constants.
    Raises `ValueError` on mismatched shapes, G < 2, NaN or infinite advantages, negative or NaN weights. A
    log-likelihood that is NaN or infinite makes the objective so, and the trainer has to refuse it.
    Departures: none. The prose around eq-3 puts a β on the first term; the equation does not.

    >>> terms = grao_objective(torch.tensor([-1.0, -2.0]), torch.tensor(-3.0), torch.tensor([1.0, -1.0]),
    ...                        torch.tensor(2.0), beta=0.5, lam=0.6)
    >>> [round(term.item(), 4) for term in terms]
    [0.5, -6.0, 0.5, -2.2]
    """
    check(locals(), TERMS)
    A_o, A_y = advantages.detach(), reference_advantage.detach()
    J_o, J_y = output_loglik, reference_loglik
    exploration = (A_o * J_o).mean(dim=-1)  #                       1/G Σ_i Â_oi · J_exploration(o_i)
    imitation = A_y * J_y  #                                        Â_y · J_imitation(y), the same for every i
    alignment = (A_o * (J_o - J_y[..., None])).mean(dim=-1)  #      1/G Σ_i Â_oi · (J_exploration(o_i) − J_imitation(y))
    return GRAOTerms(exploration, imitation, alignment, exploration + beta * imitation + lam * alignment)


def likelihood_weights(
    advantages: Float[Tensor, "*batch G"],
    reference_advantage: Float[Tensor, "*batch"],
    *,
    beta: float,
    lam: float,
) -> tuple[Float[Tensor, "*batch G"], Float[Tensor, "*batch"]]:
    """w_i = (1 + λ) Â_oi / G and w_y = β Â_y − λ Ā with Ā = 1/G Σ_i Â_oi: eq-3 collapsed (thm-1).

    J = Σ_i w_i J_exploration(o_i) + w_y J_imitation(y), for any advantages. With those of eq-4,
    w_y = (β + λ/G) Â_y where the reference is in the pool, and β Â_y where it is not (Ā = 0): in either
    case w_y has the sign of Â_y, up to rounding. Arguments: see the top of this file.
    Returns the weight of each output's log-likelihood and that of the reference's, without gradient.
    Raises `ValueError` on mismatched shapes, G < 2, NaN or infinite advantages, negative or NaN weights.

    >>> likelihood_weights(torch.tensor([1.0, -1.0]), torch.tensor(2.0), beta=0.5, lam=0.6)
    (tensor([ 0.8000, -0.8000]), tensor(1.))
    """
    check(locals(), ADVANTAGES)
    A_o, A_y = advantages.detach(), reference_advantage.detach()
    return (1 + lam) * A_o / A_o.shape[-1], beta * A_y - lam * A_o.mean(dim=-1)


def imitate_while_ahead(reference_advantage: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Â_y⁺ = max(Â_y, 0): the reference is imitated while it is better than its group, and ignored otherwise.

    The repair of thm-4; to train with it, use `grao_objective_while_ahead`. Without it a policy that has become
    better than its reference unlearns it for ever. Apply it to w_y only: clamping Â_y before
    `likelihood_weights` would leave the regulariser's share of w_y, λ Â_y / G, which pushes the reference down.
    Since w_y has the sign of Â_y, `imitate_while_ahead(w_y)` is (β + λ/G) Â_y⁺, or β Â_y⁺.

    - `reference_advantage`: Â_y or w_y of each prompt, in any units.

    Returns its positive part, without gradient. Raises `ValueError` on NaN or infinite values.

    >>> imitate_while_ahead(torch.tensor([-2.0, 0.0, 1.5]))
    tensor([0.0000, 0.0000, 1.5000])
    """
    check(locals(), "reference_advantage: finite ...")
    return reference_advantage.detach().clamp(min=0)


def likelihood_weights_while_ahead(
    advantages: Float[Tensor, "*batch G"],
    reference_advantage: Float[Tensor, "*batch"],
    *,
    beta: float,
    lam: float,
) -> tuple[Float[Tensor, "*batch G"], Float[Tensor, "*batch"]]:
    """`likelihood_weights` with the repair of thm-4: w_y⁺ = max(w_y, 0), the outputs' weights untouched.

    Arguments, result and errors: as `likelihood_weights`.
    """
    weights, reference_weight = likelihood_weights(advantages, reference_advantage, beta=beta, lam=lam)
    return weights, imitate_while_ahead(reference_weight)


def grao_objective_while_ahead(
    output_loglik: Float[Tensor, "*batch G"],
    reference_loglik: Float[Tensor, "*batch"],
    advantages: Float[Tensor, "*batch G"],
    reference_advantage: Float[Tensor, "*batch"],
    *,
    beta: float,
    lam: float,
) -> GRAOTerms:
    """eq-3 with the repair of thm-4: J_imitation(y) is left out of both its terms where w_y <= 0.

    total = Σ_i w_i J_exploration(o_i) + max(w_y, 0) J_imitation(y), split into eq-3's three terms.
    Arguments, result and errors: as `grao_objective`. Departure: this is not the printed objective.
    """
    check(locals(), TERMS)
    _, w_y = likelihood_weights(advantages, reference_advantage, beta=beta, lam=lam)
    imitated = torch.where(w_y > 0, reference_loglik, torch.zeros_like(reference_loglik))
    return grao_objective(output_loglik, imitated, advantages, reference_advantage, beta=beta, lam=lam)
