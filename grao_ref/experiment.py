"""What `train.py` runs: a task, a policy, and their evaluation, made of a config."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch

from grao_ref.algorithms import ALGORITHMS
from grao_ref.config import Config, Method
from grao_ref.evaluation import EVALUATION_SEED, BanditEvaluation, Evaluation, TextEvaluation
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.interface import Policy
from grao_ref.policies.load import choose_device
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.policies.tiny import tiny_model
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task
from grao_ref.tasks.sorting import ANSWER, END, Sorting, characters

BANDIT_REWARDS, BANDIT_REFERENCE = (1.0, 0.7, *[0.0] * 8), 1


@dataclass(frozen=True)
class Experiment:
    """One run about to start."""

    task: Task
    policy: Policy
    config: Config
    evaluation: Evaluation
    notes: tuple[str, ...]  # what a reader of the log should know of its model, data and rewards
    text: Callable[[list[int]], str] = lambda ids: " ".join(map(str, ids))  # how tokens read
    save: Callable[[Path], object] | None = None  # writes the tokenizer beside the model


def plan(config: Config) -> dict[str, list[Config]]:
    """Name -> the settings of its runs, one for each seed (the bandit's are one, with a row for each seed)."""
    bandit = config.dataset_name == "bandit"
    seeds = [config.seed] if bandit else range(config.seed, config.seed + config.num_seeds)
    variants = [config]
    if config.compare:
        each: tuple[Method, ...] = get_args(Method)
        betas = {method: config.beta if ALGORITHMS[method].reads_beta else None for method in each}
        variants = [replace(config, method=m, imitate_only_when_ahead=True, beta=betas[m]) for m in each]
        variants.append(replace(config, method="grao", imitate_only_when_ahead=False, beta=betas["grao"]))
    methods = {name_of(variant): variant for variant in variants}
    return {name: [replace(settings, seed=seed) for seed in seeds] for name, settings in methods.items()}


def name_of(config: Config) -> str:
    """The method, and for GRAO which of its two objectives: neither passes for the other."""
    if config.method != "grao":
        return config.method
    without = "".join(f" − {term}" for term in config.ablate)
    return ("grao, repaired" if config.imitate_only_when_ahead else "grao, as printed") + without


def objective_note(config: Config) -> str:
    """Which objective is trained, in a line."""
    if config.method != "grao":
        return f"Method: {config.method}."
    if config.imitate_only_when_ahead:
        return (
            "Method: grao, repaired. The reference is imitated only while it is ahead of its group (thm-4); "
            "--no-imitate-only-when-ahead trains the objective as printed."
        )
    return (
        "Method: grao, as printed. Once the policy is better than a reference, it unlearns it without end (thm-4); "
        "--imitate-only-when-ahead is the repair."
    )


def prompts_per_step(config: Config) -> int:
    """The same for every method; only some sample a group for each."""
    return config.per_device_train_batch_size // config.num_generations * config.gradient_accumulation_steps


def prepare(config: Config) -> Experiment:
    """The task that the config names, and a policy before training. Raises `ValueError` on what can't be run."""
    if config.beta and not ALGORITHMS[config.method].reads_beta:
        raise ValueError(
            f"beta is the weight of a KL penalty, and {config.method} has none, got {config.beta}; "
            "the β of GRAO's paper is imitation_coef"
        )
    if config.use_peft and config.model_name_or_path in ("tiny", "tabular"):
        raise ValueError(f"use_peft is for pretrained models, not for {config.model_name_or_path}")
    if config.reward_funcs and config.dataset_name in ("sorting", "bandit"):
        raise ValueError(
            f"{config.dataset_name} has its own rule, and no other can be told of it: leave out reward_funcs"
        )
    if config.dataset_name == "bandit":
        return _bandit(config)
    if config.dataset_name == "sorting":
        return _sorting(config)
    from grao_ref.text_experiment import prepare_text  # the rest of the house: tokenizers, data, rewards

    return prepare_text(config)


def _bandit(config: Config) -> Experiment:
    task = Bandit(torch.tensor(BANDIT_REWARDS, dtype=torch.float64), BANDIT_REFERENCE, config.num_seeds)
    policy = TabularPolicy(torch.zeros(config.num_seeds, len(BANDIT_REWARDS), dtype=torch.float64))
    notes = (f"Bandit: {len(BANDIT_REWARDS)} arms, {config.num_seeds} independent runs.",)
    return Experiment(task, policy, config, BanditEvaluation(task, policy), notes)


def _sorting(config: Config) -> Experiment:
    """Scored on fixed prompts of the 30,240 there are: a run's own prompts include about a tenth of 200."""
    if config.max_completion_length < ANSWER:
        raise ValueError(
            f"max_completion_length must be at least {ANSWER} on the sorting task, whose answers have as many tokens, "
            f"got {config.max_completion_length}"
        )
    task = Sorting(prompts_per_step(config))
    model = tiny_model().to(choose_device(config.device))  # type: ignore[arg-type]
    policy = CausalLMPolicy(
        model,
        eos_ids=[END],
        max_completion_length=config.max_completion_length,
        bf16=bool(config.bf16),
        checkpointing=config.gradient_checkpointing,
    )
    fixed = Sorting(config.max_eval_prompts).draw(torch.Generator().manual_seed(EVALUATION_SEED))
    evaluation = TextEvaluation(task, policy, config, fixed, samples=4, text=characters)
    notes = (f"Model: tiny, {sum(p.numel() for p in model.parameters()):,} parameters, on {model.device}.",)
    return Experiment(task, policy, config, evaluation, notes, text=characters)
