"""thm-1 for any trainer: the weight of each row of a group, from its rewards alone."""

from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.masked import hide
from grao_ref.methods.calls import advantages_of, called
from grao_ref.methods.interface import Method
from grao_ref.methods.registry import method_of
from grao_ref.records import Rewards
from grao_ref.settings.config import Config


def weighted_method(config: Config) -> Method:
    """The method that the config names. Raises `ValueError` on one that has no `weights`, and as its `check` does."""
    method = method_of(config.method)
    if method.weights is None:
        raise ValueError(
            f"method {method.name!r} has no `weights`: its objective is not known to be a weighted sum of mean "
            "log-likelihoods (thm-1), which is all that another trainer can be given"
        )
    if method.check is not None:
        called(method, "check", config)
    return method


def row_weights(
    rewards: Float[Tensor, "N G"], reference_reward: Float[Tensor, "N"], config: Config
) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """w_i and w_y of J = Σ_i w_i J_exploration(o_i) + w_y J_imitation(y) for each prompt (thm-1).

    - `rewards`: R(o_i, y) of the group's outputs; NaN where one could not be scored. It is left out of the group: the
      pool of eq-4 and the means of eq-3 are those of the others, and its weight is 0.
    - `reference_reward`: R(y, y), NaN where it could not be scored.
    - `config`: the method and the settings that it reads.

    J_exploration and J_imitation are mean log-likelihoods per token. Returns weights without gradient, so that the mean
    of J over the prompts is what the method maximises. Raises `ValueError` on a method without `weights`, infinite
    rewards, and as the method's `advantages` do.

    >>> import torch
    >>> row_weights(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0]), Config())
    (tensor([[ 0.5657, -1.1314]]), tensor([0.5657]))
    """
    method = weighted_method(config)
    scored, reference_scored = ~rewards.isnan(), ~reference_reward.isnan()
    known = Rewards(hide(rewards, scored), hide(reference_reward, reference_scored), scored, reference_scored)
    weights: tuple[Tensor, Tensor] = called(method, "weights", advantages_of(method, known, config), known, config)
    return weights
