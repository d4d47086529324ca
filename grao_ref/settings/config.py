"""Every setting of a run: its name, its type with its range, its default, and a sentence.

On the command line and in a config file the names are TRL's. Settings that are possible alone and not together are
refused by `checks.py`, once for each run.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from grao_ref.settings.kinds import (
    Count,
    Fraction,
    GroupSize,
    Natural,
    NonNegative,
    Positive,
    kinds_of,
    require_kind,
)

Term = Literal["exploration", "imitation", "alignment"]
LossName = Literal["grpo", "dapo", "dr_grpo"]


@dataclass(frozen=True)
class Config:
    """Settings of one training run; `beta` is the KL penalty, as in TRL, and GRAO's β and λ are the two `_coef`s."""

    # What is trained, on what
    model_name_or_path: str = "tiny"
    """The policy: `tiny` (embedded), `tabular` (the bandit's), `smollm2`, a folder, or an id on the hub."""
    chat_template_path: str | None = None
    """A chat template instead of the model's: a Jinja file, or a folder or hub id of a model that has it. It is saved
    with the trained model."""
    chat_template_kwargs: dict[str, Any] | None = None
    """What the chat template is called with, such as {"enable_thinking": false}."""
    system_prompt: str | None = None
    """Put before every conversation that has no system message: a text, or a file that holds it."""
    skip_special_tokens: bool = True
    """Rewards see sampled answers without special tokens. False: with them, but for the token that ends the answer."""
    dataset_name: str = "sorting"
    """Prompts and references: `sorting` (embedded), `bandit`, `hh-harmless`, `hh-helpful`, `gsm8k`,
    `reasoning-gym:TASK`, a file of JSON lines with TRL's columns, HH's or GSM8K's, a folder, or an id on the hub."""
    dataset_config: str | None = None
    """The hub data set's configuration, where it has several."""
    dataset_train_split: str = "train"
    """The split that is trained on."""
    dataset_test_split: str | None = None
    """The split that is evaluated on; without one, `test_size` of the prompts are held out."""
    test_size: Fraction = 0.1
    """Share of the prompts held out for evaluation, chosen by `seed`."""
    reward_funcs: tuple[str, ...] = ()
    """What scores answers and references alike: exact, final_number, sorting, reasoning_gym, judge_helpful,
    judge_harmless, a dotted path to a function with TRL's signature, a reward model's folder or hub id. Empty: the data
    set's own rule."""
    reward_weights: tuple[float, ...] = ()
    """A weight for each reward function; empty: 1 each."""

    # The method
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
    """Train the likelihoods at the sampling temperature, which makes the update on-policy; the paper does not."""
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

    # The steps
    per_device_train_batch_size: Count = 128
    """Sampled answers in a micro-batch, a multiple of num_generations: groups are never split. sft and dpo use
    1/num_generations of it in rows, so that all methods see the same prompts. The bandit ignores it."""
    gradient_accumulation_steps: Count = 1
    """Micro-batches of each optimiser step; groups are sampled for all of them at once."""
    max_steps: Count = 200
    """Optimiser steps; with num_iterations, batches of samples."""
    learning_rate: Positive = 3e-4
    """Step size of the optimiser (in the bandit: of each run)."""
    optimizer: Literal["sgd", "adam"] = "adam"
    """Adam, which the paper trains with, or plain gradient ascent, which the theory is about."""
    weight_decay: NonNegative = 0.0
    """Decoupled weight decay of Adam (the paper: 0.01)."""
    max_grad_norm: NonNegative = 1.0
    """Clip the gradient's norm to this; 0: no clipping, which the bandit needs, since its runs share no parameters."""
    max_prompt_length: Count | None = None
    """Drop rows whose prompt has more tokens; without it, a prompt too long for the model's context is an error."""
    max_completion_length: Count = 8
    """Tokens of a sampled answer at most; rows with a longer answer are dropped."""

    # The machine
    device: str = "auto"
    """Where: cpu, cuda, cuda:1; auto takes a GPU if there is one."""
    bf16: bool | None = None
    """Forward passes in bfloat16 autocast; the weights stay in float32. By default on a GPU that supports it."""
    gradient_checkpointing: bool = False
    """Compute hidden states again in the backward pass instead of keeping them: less memory, a third more time."""
    use_peft: bool = False
    """Train a LoRA adapter instead of the model."""
    lora_r: Count = 16
    """Rank of the adapter."""
    lora_alpha: Count = 32
    """Scale of the adapter, times the rank."""
    lora_target_modules: tuple[str, ...] = ()
    """Layers that get an adapter; empty: every linear layer but the output's."""

    # The judge, where reward_funcs names one
    judge_base_url: str | None = None
    """An OpenAI-compatible endpoint ($OPENAI_BASE_URL if left); its key is read from $OPENAI_API_KEY."""
    judge_model: str | None = None
    """The judge model's name at that endpoint (the paper: DeepSeek-V3)."""
    judge_timeout: Positive = 60.0
    """Seconds to wait for a verdict, in each of four attempts."""
    judge_swap: bool = False
    """Ask twice with the texts swapped, and count only verdicts that agree."""
    judge_cache: Path | None = None
    """File of verdicts, which are then never requested twice."""

    # The run
    seed: Natural = 0
    """Seed of the first run; the seeds of further runs follow it."""
    num_seeds: Count = 1
    """Runs of each method; intervals are over them. The bandit trains them all at once."""
    compare: bool = False
    """Train every method in turn on the same task, GRAO repaired and as printed, whatever `method` is."""
    eval_steps: Count = 10
    """Steps between evaluations on prompts held out from training (in the bandit: exact)."""
    max_eval_prompts: Count = 200
    """Prompts of an evaluation at most."""
    num_generations_eval: Count = 1
    """Answers sampled to each prompt of an evaluation."""
    log_completions: bool = False
    """Print samples at every evaluation; they are always written to completions/."""
    num_completions_to_print: Count = 3
    """Prompts whose answers before and after training are shown at the end."""
    save_steps: Natural = 0
    """Steps between checkpoints; 0: none but the final model."""
    save_total_limit: Count | None = 2
    """Checkpoints to keep, the newest."""
    resume_from_checkpoint: Path | None = None
    """A checkpoint's folder, or a run's (its newest checkpoint): continue exactly from there."""
    report_to: str = "none"
    """A tracker that gets the metrics too, beside metrics.jsonl: tensorboard, trackio, or the dotted path of a function
    of your own that opens one (`runs/trackers.py`)."""
    run_name: str | None = None
    """The run's name in the tracker."""
    output_dir: Path | None = None
    """An empty or new folder for metrics.jsonl, curves.png and the model; by default the next free one in runs/."""
    overwrite_output_dir: bool = False
    """Write into a folder that is not empty; what is in it and in the way is replaced."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value of another type or out of its range."""
        for name, kind in kinds_of(type(self)).items():
            require_kind(name, getattr(self, name), kind)

    @property
    def setup(self) -> Literal["bandit", "text"]:
        """Which of the two ways to begin a run this is (`setups.py`)."""
        return "bandit" if self.dataset_name == "bandit" else "text"

    @property
    def seeds(self) -> range:
        """The seeds of separate runs: `num_seeds` from `seed` on; the bandit's one run has a row for each instead."""
        return range(self.seed, self.seed + (1 if self.setup == "bandit" else self.num_seeds))

    @property
    def prompts_per_step(self) -> int:
        """Prompts of an optimiser step, the same for every method."""
        return self.per_device_train_batch_size // self.num_generations * self.gradient_accumulation_steps

    @property
    def likelihood_temperature(self) -> float:
        """The temperature of every log-probability that is trained on or compared."""
        return self.temperature if self.temper_likelihoods else 1.0


def settings_of(config: Config) -> dict[str, Any]:
    """The settings as JSON and YAML write them."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return plain
