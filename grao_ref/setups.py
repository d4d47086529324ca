"""Two ways to begin a run: a bandit with a table, or a data set with a language model. Everything is checked here.

A setup holds a task, a policy and an evaluation, all made from a config before the first step. Data, model
and rewards are loaded and tried, so that what can't be run is refused before any work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.data.examples import Limits, training_examples
from grao_ref.data.load import load_rows, own_rule
from grao_ref.data.rows import Row, apart, columns_of, split_by_prompt
from grao_ref.evaluation.held_out import HeldOut
from grao_ref.evaluation.monitor import BanditEvaluation, Evaluation, TextEvaluation
from grao_ref.methods.registry import method_of
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.interface import Policy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.rewards.judge import JudgeSettings
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import context_of
from grao_ref.training.machine import choose_device

BANDIT_REWARDS, BANDIT_REFERENCE = (1.0, 0.7, *[0.0] * 8), 1
PROBED = 4  # references that the reward functions are tried on
SMALL = 10_000_000  # parameters, below which a model is too small for several threads


@dataclass(frozen=True)
class Setup:
    """One run about to start."""

    task: Task
    policy: Policy
    config: Config
    evaluation: Evaluation
    notes: tuple[str, ...]  # lines of the log about its model, data and rewards
    small: bool = False  # one thread is faster for so small a model
    text: Callable[[list[int]], str] | None = None  # token ids -> text; None where answers have no text
    save: Callable[[Path], object] | None = None  # writes the tokenizer beside the model


def prepare(config: Config) -> Setup:
    """The setup that the config names, before training. Raises `ValueError` on what can't be run."""
    check(config)
    return SETUPS[config.setup](config)


def bandit(config: Config) -> Setup:
    """Ten answers to one prompt, with known rewards: one perfect, one the reference, eight worthless."""
    task = Bandit(torch.tensor(BANDIT_REWARDS, dtype=torch.float64), BANDIT_REFERENCE, config.num_seeds)
    policy = TabularPolicy(torch.zeros(config.num_seeds, len(BANDIT_REWARDS), dtype=torch.float64))
    notes = (f"Bandit: {len(BANDIT_REWARDS)} arms, {config.num_seeds} independent runs.",)
    return Setup(task, policy, config, BanditEvaluation(task, policy), notes, small=True)


def text(config: Config) -> Setup:
    """Model, rows and rewards by their names in the config."""
    device = choose_device(config.device)
    training_rows, held_out_rows = rows_of(config)
    scorer = scorer_of(config, device)
    probed = training_rows[:PROBED]
    scorer.probe([r.prompt for r in probed], [r.reference for r in probed], columns_of(probed))
    policy, tokenizer = language_policy(config)

    def task_of(rows: list[Row], batch: int) -> TextTask:
        limits = Limits(prompt=config.max_prompt_length, completion=config.max_completion_length)
        examples, _ = training_examples(rows, tokenizer, limits, context=context_of(policy.model, tokenizer))
        return TextTask(examples, tokenizer, scorer, batch=batch, seed=config.seed)

    task, held = task_of(training_rows, config.prompts_per_step), task_of(held_out_rows, 1)
    rejected = method_of(config.method).needs(config).rejected
    if rejected and any(example.rejected is None for example in task.examples):
        raise ValueError(f"{config.method} needs a rejected answer in every row, and {config.dataset_name} has none")
    fixed = held.rows(range(min(len(held.examples), config.max_eval_prompts)))
    evaluation = TextEvaluation(HeldOut(held, fixed, held.text), policy, config)
    dropped = len(training_rows) + len(held_out_rows) - len(task.examples) - len(held.examples)
    parameters = policy.model.num_parameters()
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    notes = (
        f"Model: {config.model_name_or_path}, {trained:,} of {parameters:,} parameters trained, "
        f"float32{' with bfloat16 autocast' if policy.bf16 else ''}, on {device}.",
        f"Data: {config.dataset_name}, {len(task.examples)} rows to train on, {len(held.examples)} held out, "
        f"{dropped} dropped as too long.",
        f"Rewards: {', '.join(scorer.functions)}; the held-out references score {evaluation.reference_score:.3f}.",
    )
    return Setup(
        task, policy, config, evaluation, notes, parameters < SMALL, task.text, lambda f: tokenizer.save_pretrained(f)
    )


SETUPS: dict[str, Callable[[Config], Setup]] = {"bandit": bandit, "text": text}


def rows_of(config: Config) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to evaluate on; no prompt is among both."""
    rows = load_rows(config.dataset_name, split=config.dataset_train_split, config=config.dataset_config)
    if config.dataset_test_split is not None:
        test = load_rows(config.dataset_name, split=config.dataset_test_split, config=config.dataset_config)
        training = apart(rows, test)
        if not training:
            raise ValueError(
                f"every prompt of the split {config.dataset_train_split!r} is in {config.dataset_test_split!r} too: "
                "nothing is left to train on"
            )
        return training, test
    training, held_out = split_by_prompt(rows, share=config.test_size, seed=config.seed)
    if not training or not held_out:
        raise ValueError(
            f"test_size {config.test_size} leaves {len(training)} rows to train on and {len(held_out)} to evaluate on"
        )
    return training, held_out


def scorer_of(config: Config, device: torch.device) -> Scorer:
    """The named reward functions, or the data set's own rule."""
    own = own_rule(config.dataset_name)
    names = config.reward_funcs or ((own,) if own else ())
    if not names:
        raise ValueError(f"{config.dataset_name} has no rule of its own: reward_funcs must say what scores an answer")
    judge = JudgeSettings(
        base_url=config.judge_base_url,
        model=config.judge_model,
        timeout=config.judge_timeout,
        swap=config.judge_swap,
        cache=config.judge_cache,
    )
    return load_scorer(names, weights=config.reward_weights or None, device=device, judge=judge)


def language_policy(config: Config) -> tuple[CausalLMPolicy, PreTrainedTokenizerBase]:
    """The config's model as a policy, with an adapter if `use_peft` is set, and the tokenizer."""
    model, tokenizer = load_language_model(config.model_name_or_path, device=choose_device(config.device))
    if config.use_peft:
        add_lora(model, r=config.lora_r, alpha=config.lora_alpha, target_modules=config.lora_target_modules)
    able = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    policy = CausalLMPolicy(
        model,
        eos_ids=eos_ids(model, tokenizer.eos_token_id),
        max_completion_length=config.max_completion_length,
        bf16=able if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
    )
    return policy, tokenizer


def eos_ids(model: PreTrainedModel, tokenizers: int | None) -> list[int]:
    """Every id that ends an answer: those of the model's generation config, and the tokenizer's."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in (tokenizers, *ids) if token is not None})
