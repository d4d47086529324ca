"""Two ways to begin a run: a bandit with a table, or a data set with a language model. Everything is checked here.

A setup holds a task, a policy and an evaluation, all made from a config before the first step. Data, model
and rewards are loaded and tried, so that what can't be run is refused before any work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from grao_ref.data.examples import Example, Limits, training_examples
from grao_ref.data.load import own_rule
from grao_ref.data.rows import Row, columns_of
from grao_ref.data.splits import rows_of
from grao_ref.evaluation.held_out import HeldOut
from grao_ref.evaluation.monitor import BanditEvaluation, Evaluation, TextEvaluation, Unevaluated
from grao_ref.methods.registry import BUILT_IN, method_of, prompts_per_step, require_needs
from grao_ref.methods.trial import try_out
from grao_ref.policies.build import language_policy
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.interface import Policy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.rewards.judge import JudgeSettings
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.rewards.trl import TrainerState
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
    rows: Sequence[Row] = ()  # to train on, as they were read
    held_out: Sequence[Row] = ()


def prepare(config: Config) -> Setup:
    """The setup that the config names, before training. Raises `ValueError` on what can't be run."""
    check(config)
    return SETUPS[config.setup](config)


def bandit(config: Config) -> Setup:
    """Ten answers to one prompt, with known rewards: one perfect, one the reference, eight worthless."""
    task = Bandit(torch.tensor(BANDIT_REWARDS, dtype=torch.float64), BANDIT_REFERENCE, config.num_seeds)
    policy = TabularPolicy(torch.zeros(config.num_seeds, len(BANDIT_REWARDS), dtype=torch.float64))
    notes = (f"Bandit: {len(BANDIT_REWARDS)} arms, {config.num_seeds} independent runs.",)
    try_out(config, task.draw(torch.Generator()))
    return Setup(task, policy, config, BanditEvaluation(task, policy), notes, small=True)


def text(config: Config) -> Setup:
    """Model, rows and rewards by their names in the config."""
    device = choose_device(config.device)
    rows, held_out = rows_of(config)
    scorer = scorer_of(config, device)
    check_rows(config, rows, held_out, scorer)
    return text_setup(config, *language_policy(config, device), rows=rows, held_out=held_out, scorer=scorer)


def text_setup(
    config: Config,
    policy: CausalLMPolicy,
    tokenizer: PreTrainedTokenizerBase,
    *,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    scorer: Scorer | None,
) -> Setup:
    """A policy, rows and rewards that are there already, and that have been checked (`check_rows`).

    held_out: may be empty; nothing is evaluated then. scorer: None for a method that samples nothing, which may do
    without a reward. The method is tried on made-up numbers.
    """

    def task_of(some: Sequence[Row], batch: int) -> TextTask:
        limits = Limits(prompt=config.max_prompt_length, completion=config.max_completion_length)
        examples, _ = training_examples(some, tokenizer, limits, context=context_of(policy.model, tokenizer))
        return TextTask(examples, tokenizer, scorer, batch=batch, seed=config.seed, state=_state(config))

    task = task_of(rows, prompts_per_step(config))
    try_out(config, task.rows(range(min(len(task.examples), 2))))
    held = task_of(held_out, 1) if held_out else None
    evaluation: Evaluation = Unevaluated()
    if held is not None:
        fixed = held.rows(range(min(len(held.examples), config.max_eval_prompts)))
        evaluation = TextEvaluation(HeldOut(held, fixed, held.text), policy, config)
    used = len(task.examples), 0 if held is None else len(held.examples)
    parameters = policy.model.num_parameters()
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    notes = (
        f"Model: {config.model_name_or_path}, {trained:,} of {parameters:,} parameters trained, "
        f"float32{' with bfloat16 autocast' if policy.bf16 else ''}, on {policy.device}.",
        f"Data: {config.dataset_name}, {used[0]} rows to train on, {used[1]} held out, "
        f"{len(rows) + len(held_out) - sum(used)} dropped as too long.",
        _about_rewards(scorer, evaluation),
    )
    return Setup(
        task, policy, config, evaluation, notes, parameters < SMALL, task.text, lambda f: tokenizer.save_pretrained(f),
        rows, held_out,
    )  # fmt: skip


SETUPS: dict[str, Callable[[Config], Setup]] = {"bandit": bandit, "text": text}


def require_reward(config: Config) -> tuple[str, ...]:
    """The names of what scores answers. Raises `ValueError` where the method samples answers and nothing scores them."""
    own = own_rule(config.dataset_name)
    names = config.reward_funcs or ((own,) if own else ())
    if not names and config.setup == "text" and require_needs(method_of(config.method), config).samples:
        raise ValueError(f"{config.dataset_name} has no rule of its own: reward_funcs must say what scores an answer")
    return names


def scorer_of(config: Config, device: torch.device) -> Scorer | None:
    """The named reward functions, or the data set's own rule; None where there is neither, and none is needed."""
    names = require_reward(config)
    if not names:
        return None
    judge = JudgeSettings(
        base_url=config.judge_base_url,
        model=config.judge_model,
        timeout=config.judge_timeout,
        swap=config.judge_swap,
        cache=config.judge_cache,
    )
    return load_scorer(names, weights=config.reward_weights or None, device=device, judge=judge)


def check_rows(config: Config, rows: Sequence[Row], held_out: Sequence[Row], scorer: Scorer | None) -> None:
    """Before a model is loaded: has every row the answers that the method reads, and can the references be scored?

    Raises `ValueError` naming the row, or the reward function.
    """
    method = method_of(config.method)
    needs = require_needs(method, config)
    for row in (*rows, *held_out):
        place = f"row {row.number} of {config.dataset_name}" if row.number else config.dataset_name
        if needs.references and row.reference is None:
            free = [other.name for other in BUILT_IN.values() if not other.needs(config).references]
            raise ValueError(
                f"{method.name} needs a reference answer in every row, and {place} has none; "
                f"{' and '.join(free)} train on prompts alone"
            )
        if needs.rejected and row.rejected is None:
            raise ValueError(f"{method.name} needs a rejected answer in every row, and {place} has none")
    if scorer is not None:
        few = rows[:PROBED]
        scorer.probe([r.prompt for r in few], [r.reference for r in few], columns_of(few), _state(config))


def _state(config: Config) -> TrainerState:
    return TrainerState(
        max_steps=config.max_steps,
        eval_steps=config.eval_steps,
        save_steps=config.save_steps,
        train_batch_size=config.per_device_train_batch_size,
    )


def _about_rewards(scorer: Scorer | None, evaluation: Evaluation) -> str:
    """A line of the log: what scores answers, or that nothing does."""
    if scorer is None:
        return "Rewards: none. The held-out rows are evaluated by the likelihood of their own answers."
    score = evaluation.reference_score
    references = "there is no reference to score" if score is None else f"the held-out references score {score:.3f}"
    return f"Rewards: {', '.join(scorer.functions)}; {references}."
