"""Settings: the method."""

from dataclasses import dataclass
from typing import Literal

from grao_ref.settings.kinds import Count, Fraction, GroupSize, NonNegative, Positive

Term = Literal["exploration", "imitation", "alignment"]
LossName = Literal["grpo", "dapo", "dr_grpo"]


@dataclass(frozen=True)
class MethodGroup:
    """The method."""

    method: str = "grao"
    """sft, dpo, ppo, grpo, grao, or the dotted path of a method of your own: my_package.my_module.MINE."""
    num_generations: GroupSize = 8
    """G, the samples of each prompt (the paper: 8)."""
    imitation_coef: NonNegative = 0.5
    """β of eq-3, the weight of imitation (the paper: 0.5)."""
    alignment_coef: NonNegative = 0.6
    """λ of eq-3, the weight of the alignment regulariser (the paper: 0.6)."""
    pool: Literal["with_reference", "outputs"] = "with_reference"
    """Whether the reference's reward joins the mean and deviation of eq-4, which the paper leaves open."""
    imitate_only_when_ahead: bool = True
    """The repair of thm-4: imitate the reference only while it beats its group. False is the objective as printed,
    which unlearns its reference without end once the policy is better."""
    ablate: tuple[Term, ...] = ()
    """Terms of eq-3 to leave out, as in table-3 of the paper."""
    temperature: Positive = 1.0
    """Sampling temperature (the paper: 0.7)."""
    temper_likelihoods: bool = False
    """Train the likelihoods at the sampling temperature, which makes the update on-policy: advised wherever
    `temperature` is not 1, because it is biased otherwise (thm-12). The paper does not, nor does the preset `paper`."""
    sampler: Literal["decode", "eager", "paged"] = "decode"
    """How a language model draws its groups: a token at a time for all rows, on a GPU as a captured graph where the
    model allows it (decode) or without one (eager), or by transformers' continuous batching from a paged cache, meant
    for large groups of answers of different lengths on a GPU."""
    num_iterations: Count = 1
    """Optimiser updates on each batch of samples (sft and dpo: of answers)."""
    beta: NonNegative | None = None
    """KL penalty against the starting policy in grpo and ppo (0 if not given), the margin's scale in dpo (0.1)."""
    epsilon: Fraction = 0.2
    """Clipping range of the probability ratio in grpo and ppo, and of the critic's move in ppo."""
    loss_type: LossName = "grpo"
    """What a token weighs in grpo: 1/|o| of its sequence, the same in the whole batch, or 1/max_completion_length."""
    gae_lambda: Fraction = 0.95
    """λ of generalised advantage estimation in ppo."""
    vf_coef: NonNegative = 0.5
    """Weight of the critic's error in ppo."""
