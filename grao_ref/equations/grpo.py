"""GRPO (Shao et al. 2024, arXiv:2402.03300): PPO's clipped ratio, with the group in place of the critic.

The KL penalty is subtracted token by token: `grpo_objective(...) - kl_coef * k3(...)`.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.advantage import standardize
from grao_ref.equations.checks import check
from grao_ref.equations.masked import masked_mean, masked_sum
from grao_ref.equations.ppo import ppo_objective
from grao_ref.equations.reduce import sequence_count, token_budget, token_count


def grpo_advantages(rewards: Float[Tensor, "*batch G"]) -> Float[Tensor, "*batch G"]:
    """Â_i = (R_i − μ_r) / σ_r over the group: eq-4 with `pool="outputs"`, where no reference is needed.

    - `rewards`: R(o_i), what the reward function gave each of a prompt's G outputs, in any units.

    Returns the advantages, in standard deviations of the group, without gradient.
    Raises `ValueError` on G < 2, NaN or infinite rewards.
    Departures: population deviation and no ε, as in eq-4; TRL uses Bessel's deviation + 1e-4.
    """
    check(locals(), "rewards: finite ... G")
    return standardize(rewards, rewards)


def grpo_objective(
    logprobs: Float[Tensor, "*batch T"],
    old_logprobs: Float[Tensor, "*batch T"],
    advantages: Float[Tensor, "*batch"],
    mask: Bool[Tensor, "*batch T"],
    *,
    epsilon_low: float = 0.2,
    epsilon_high: float = 0.2,
) -> Float[Tensor, "*batch T"]:
    """min( ρ_t Â, clip(ρ_t, 1 − ε_low, 1 + ε_high) Â ): one advantage for all tokens of a sequence.

    - `advantages`: Â of each sequence, in standard deviations of its group; constants.
    - `logprobs`, `old_logprobs`, `mask`, `epsilon_low`, `epsilon_high`: as in `ppo_objective`.

    Returns one term for each token, to be maximised; reduce them by one of `GRPO_LOSS_TYPES`.
    Raises `ValueError` as `ppo_objective` does.
    """
    check(locals(), "logprobs: ... T; advantages: ...")
    return ppo_objective(
        logprobs,
        old_logprobs,
        advantages[..., None].expand(logprobs.shape),
        mask,
        epsilon_low=epsilon_low,
        epsilon_high=epsilon_high,
    )


class LossType(NamedTuple):
    """How token terms become a loss: `batch_loss(numerator(tokens, mask), denominator(mask, max_length))`.

    - `numerator`: from terms (..., T) and their mask to one number for each sequence.
    - `denominator`: from a mask and `max_completion_length` to the number that the summed numerators are divided by.
    - `counted_over`: whose mask the denominator is given. "batch": that of the whole optimiser step. "micro_batch":
      that of each micro-batch, whose losses are then averaged; the gradient then depends on the split.
    """

    numerator: Callable[[Tensor, Tensor], Tensor]
    denominator: Callable[[Tensor, int], int]
    counted_over: str


GRPO_LOSS_TYPES = {
    # 1/N Σ_i 1/|o_i| Σ_t: every sequence weighs the same, tokens of long answers less (the GRPO paper)
    "grpo": LossType(masked_mean, lambda mask, _: sequence_count(mask), "batch"),
    # 1/Σ|o_i| Σ_i Σ_t over the whole batch: every token weighs the same (DAPO, arXiv:2503.14476)
    "dapo": LossType(masked_sum, lambda mask, _: token_count(mask), "batch"),
    # the same over each micro-batch (TRL's bnpo)
    "bnpo": LossType(masked_sum, lambda mask, _: token_count(mask), "micro_batch"),
    # 1/(N·max_completion_length) Σ_i Σ_t: a constant, so length is not rewarded (Dr. GRPO, arXiv:2503.20783)
    "dr_grpo": LossType(masked_sum, token_budget, "batch"),
}
