"""Every setting of a run, a sentence each. On the command line they are flags with TRL's words for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from grao_ref.equations.checks import require_fraction, require_nonnegative, require_one_of, require_positive

SEEDS = 10_000  # the evaluation draws from the first seed beyond
Method = Literal["sft", "dpo", "ppo", "grpo", "grao"]


@dataclass(frozen=True)
class Config:
    """Settings of one training run; `beta` is the KL penalty, as in TRL, and GRAO's β and λ are the two `_coef`s."""

    task: Literal["sorting", "bandit"] = "sorting"
    """What is learned: the embedded text task with its language model, or a ten-armed bandit with a table."""
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
    learning_rate: float = 3e-4
    """Step size of the optimiser (in the bandit: of each run)."""
    optimizer: Literal["sgd", "adam"] = "adam"
    """Adam, which the paper trains with, or plain gradient ascent, which the theory speaks of."""
    max_grad_norm: float = 1.0
    """Clip the gradient's norm to this; 0 leaves it alone, as it has to be where runs share no parameters."""
    per_device_train_batch_size: int = 16
    """Prompts of each step (the bandit has one for each run)."""
    gradient_accumulation_steps: int = 1
    """Micro-batches that a step's prompts are split into; it changes memory, not the gradient."""
    max_steps: int = 200
    """Steps, each of which samples one group for every prompt."""
    eval_steps: int = 10
    """How often the policy is scored (on 200 fixed prompts, the same for every run; in the bandit exactly)."""
    num_iterations: int = 1
    """Optimiser updates on each batch of samples (sft and dpo: of answers)."""
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
    """Seed of the first run; the others count on from it."""
    num_seeds: int = 1
    """Runs of each method; intervals are over them. The bandit trains them all at once."""
    compare: bool = False
    """Train every method in turn on the same task, GRAO repaired and as printed, whatever `method` says."""
    output_dir: Path = Path("runs/latest")
    """Folder for metrics.jsonl and curves.png; made if missing, those two files overwritten."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value no run can use."""
        require_nonnegative(
            imitation_coef=self.imitation_coef,
            alignment_coef=self.alignment_coef,
            beta=self.beta,
            vf_coef=self.vf_coef,
            max_grad_norm=self.max_grad_norm,
        )
        require_positive(
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            max_steps=self.max_steps,
            eval_steps=self.eval_steps,
            num_iterations=self.num_iterations,
            per_device_train_batch_size=self.per_device_train_batch_size,
            gradient_accumulation_steps=self.gradient_accumulation_steps,
            num_seeds=self.num_seeds,
        )
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed must be a whole number from 0 to {SEEDS - 1}, got {self.seed}")
        if self.task == "bandit" and self.max_grad_norm > 0:
            raise ValueError(
                f"max_grad_norm must be 0 in the bandit, whose runs share no parameters, got {self.max_grad_norm}; "
                "`--preset bandit` sets what it needs"
            )
        require_fraction(epsilon=self.epsilon, gae_lambda=self.gae_lambda)
        if self.num_generations < 2:
            raise ValueError(f"num_generations must be at least 2, got {self.num_generations}")
        for name, kind in get_type_hints(Config).items():
            value = getattr(self, name)
            if get_origin(kind) is Literal:
                require_one_of(get_args(kind), **{name: value})
            elif kind is int and not isinstance(value, int):
                raise ValueError(f"{name} must be a whole number, got {value!r}")


PRESETS = {
    "tiny": Config(),
    "bandit": Config(
        task="bandit", optimizer="sgd", learning_rate=0.2, max_grad_norm=0.0, num_seeds=1000, max_steps=100
    ),
}
