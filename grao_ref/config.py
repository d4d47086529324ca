"""Every setting of a run, a sentence each. On the command line they are flags with TRL's words for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grao_ref.equations.checks import require_fraction, require_nonnegative, require_positive

Method = Literal["sft", "dpo", "ppo", "grpo", "grao"]


@dataclass(frozen=True)
class Config:
    """Settings of one training run; `beta` is the KL penalty, as in TRL, and GRAO's β and λ are the two `_coef`s."""

    method: Method = "grao"
    """Which algorithm trains the policy."""
    num_generations: int = 8
    """G, the samples of each prompt (the paper: 8)."""
    imitation_coef: float = 0.5
    """β of eq-3, the weight of imitation (the paper: 0.5)."""
    alignment_coef: float = 0.6
    """λ of eq-3, the weight of the alignment regulariser (the paper: 0.6)."""
    pool: Literal["with_reference", "outputs"] = "with_reference"
    """Whether the reference's reward joins the mean and deviation of eq-4, which the paper leaves open."""
    imitate_only_when_ahead: bool = True
    """The repair of thm-4: imitate the reference only while it beats its group. False is the objective as printed,
    which unlearns its reference without end once the policy is better."""
    learning_rate: float = 0.2
    """Step size of the optimiser; for independent prompts it applies to each of them."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """Plain gradient ascent, which the theory speaks of, or Adam, which the paper trains with."""
    max_steps: int = 100
    """Steps, each of which samples one group for every prompt."""
    num_iterations: int = 1
    """Optimiser updates on each batch of samples (sft and dpo: on each batch of answers)."""
    gradient_accumulation_steps: int = 1
    """Micro-batches that a step's prompts are split into; it changes memory, not the gradient."""
    temperature: float = 1.0
    """Sampling temperature, and that of the likelihoods that are trained (the paper samples at 0.7)."""
    beta: float = 0.0
    """KL penalty against the starting policy in grpo and ppo, and the margin's temperature in dpo (0: 0.1 there)."""
    epsilon: float = 0.2
    """Clipping range of the probability ratio in grpo and ppo, and of the critic's move in ppo."""
    gae_lambda: float = 0.95
    """λ of generalised advantage estimation in ppo."""
    vf_coef: float = 0.5
    """Weight of the critic's error in ppo."""
    seed: int = 0
    """Seed of everything random."""
    num_runs: int = 1000
    """Independent runs of the bandit, trained at once; intervals are over them."""
    compare: bool = False
    """Train every method in turn on the same task, GRAO as printed and repaired."""
    output_dir: Path = Path("runs/bandit")
    """Folder for metrics.jsonl and curves.png; made if missing, its files overwritten."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value no run can use."""
        require_nonnegative(
            imitation_coef=self.imitation_coef,
            alignment_coef=self.alignment_coef,
            beta=self.beta,
            epsilon=self.epsilon,
            vf_coef=self.vf_coef,
        )
        require_positive(
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            max_steps=self.max_steps,
            num_iterations=self.num_iterations,
            gradient_accumulation_steps=self.gradient_accumulation_steps,
            num_runs=self.num_runs,
        )
        require_fraction(gae_lambda=self.gae_lambda)
        if self.num_generations < 2:
            raise ValueError(f"num_generations must be at least 2, got {self.num_generations}")
