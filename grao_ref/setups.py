"""Two ways to begin a run: a bandit with a table, or a data set with a language model. Everything is checked here.

A setup holds a task, a policy and an evaluation, all made from a config before the first step. Data, model
and rewards are loaded and tried, so that what can't be run is refused before any work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from grao_ref.data.examples import Limits, training_examples
from grao_ref.data.load import own_rule
from grao_ref.data.rows import Row, columns_of
from grao_ref.data.splits import rows_of
from grao_ref.evaluation.held_out import HeldOut
from grao_ref.evaluation.monitor import BanditEvaluation, Evaluation, TextEvaluation
from grao_ref.methods.registry import method_of
from grao_ref.policies.build import encoder_of, language_policy
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.interface import Policy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.rewards.judge import JudgeSettings
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import Encoder, context_of
from grao_ref.text.special import lost_tokens
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
    rows, held_out = rows_of(config)
    scorer = scorer_of(config, device)
    probed = rows[:PROBED]
    scorer.probe([r.prompt for r in probed], [r.reference for r in probed], columns_of(probed))
    return text_setup(config, *language_policy(config, device), rows=rows, held_out=held_out, scorer=scorer)


def text_setup(
    config: Config,
    policy: CausalLMPolicy,
    tokenizer: PreTrainedTokenizerBase,
    *,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    scorer: Scorer,
) -> Setup:
    """A policy, rows and rewards that are there already."""

    def task_of(some: Sequence[Row], batch: int) -> TextTask:
        limits = Limits(prompt=config.max_prompt_length, completion=config.max_completion_length)
        examples, _ = training_examples(some, encoder, limits, context=context_of(policy.model, tokenizer))
        return TextTask(examples, encoder, scorer, batch=batch, seed=config.seed)

    encoder = encoder_of(policy.model, tokenizer, config)
    task, held = task_of(rows, config.prompts_per_step), task_of(held_out, 1)
    policy.stop_at(encoder.end_ids)
    rejected = method_of(config.method).needs(config).rejected
    if rejected and any(example.rejected is None for example in task.examples):
        raise ValueError(f"{config.method} needs a rejected answer in every row, and {config.dataset_name} has none")
    fixed = held.rows(range(min(len(held.examples), config.max_eval_prompts)))
    shown = tuple(example.row.reference or "" for example in held.examples[: len(fixed)])
    evaluation = TextEvaluation(HeldOut(held, fixed, held.text, shown), policy, config)
    dropped = len(rows) + len(held_out) - len(task.examples) - len(held.examples)
    parameters = policy.model.num_parameters()
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    notes = (
        f"Model: {config.model_name_or_path}, {trained:,} of {parameters:,} parameters trained, "
        f"float32{' with bfloat16 autocast' if policy.bf16 else ''}, on {policy.device}.",
        f"Data: {config.dataset_name}, {len(task.examples)} rows to train on, {len(held.examples)} held out, "
        f"{dropped} dropped as too long.",
        f"Rewards: {', '.join(scorer.functions)}; the held-out references score {evaluation.reference_score:.3f}.",
        *remarks(encoder, [example.row for example in task.examples]),
    )
    return Setup(
        task, policy, config, evaluation, notes, parameters < SMALL, task.text, lambda f: tokenizer.save_pretrained(f)
    )


SETUPS: dict[str, Callable[[Config], Setup]] = {"bandit": bandit, "text": text}


def remarks(encoder: Encoder, rows: Sequence[Row]) -> tuple[str, ...]:
    """What a user should know about how the template and the tokenizer treat the rows' answers."""
    found = []
    if not encoder.ends_with_special:
        found.append(
            "Note: the chat template ends a turn without a special token, so answers end with the tokenizer's "
            f"end-of-sequence token, {encoder.tokenizer.eos_token}."
        )
    if encoder.rewritten:
        found.append(
            f"Note: the chat template does not write {len(encoder.rewritten)} answers as they are in the data (the "
            f"first: {min(encoder.rewritten, key=len)}); what it writes is what is trained on."
        )
    count, lost = lost_tokens(encoder.tokenizer, (row.reference for row in rows))
    if count and encoder.skip_special_tokens:
        found.append(
            f"Note: {count} references hold special tokens ({', '.join(lost[:4])}), which are cut out of sampled "
            "answers before a reward sees them; --no-skip-special-tokens leaves them in."
        )
    return tuple(found)


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
