"""Two ways to begin a run: a bandit with a table, or a data set with a language model. Everything is checked here.

A setup holds a task, a policy and an evaluation, all made from a config before the first step. Data, model
and rewards are loaded and tried, so that what can't be run is refused before any work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from grao_ref.data.examples import Example, Limits, training_examples
from grao_ref.data.rows import Row, Rows, columns_of, left_out
from grao_ref.data.splits import alike, require_pairs, require_parts, rows_of
from grao_ref.evaluation.held_out import HeldOut
from grao_ref.evaluation.monitor import BanditEvaluation, Evaluation, TextEvaluation, Unevaluated, about_rewards
from grao_ref.memory.before import require_memory
from grao_ref.methods.registry import BUILT_IN, about_ignored, method_of, prompts_per_step, require_needs
from grao_ref.methods.trial import try_out
from grao_ref.plugins.blame import blame
from grao_ref.plugins.quiet import held_back
from grao_ref.policies.build import encoder_of, language_policy, save_tokenizer
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.interface import Policy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.rewards.build import scorer_of
from grao_ref.rewards.scorer import Scorer
from grao_ref.rewards.trl import TrainerState
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import context_of
from grao_ref.text.remarks import remarks
from grao_ref.training.machine import ALONE, Machine, choose_device
from grao_ref.training.schedule import in_epochs, with_steps

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
    dropped: int = 0  # rows that were too long


def prepare(config: Config, machine: Machine = ALONE) -> Setup:
    """The setup that the config names, before training. Raises `ValueError` on what can't be run."""
    check(config)
    with held_back():
        return SETUPS[config.setup](config, machine)


def bandit(config: Config, machine: Machine = ALONE) -> Setup:
    """Ten answers to one prompt, with known rewards: one perfect, one the reference, eight worthless."""
    if machine.processes > 1:
        raise ValueError(f"the bandit is trained in one process, and this run has {machine.processes}")
    task = Bandit(torch.tensor(BANDIT_REWARDS, dtype=torch.float64), BANDIT_REFERENCE, config.num_seeds)
    policy = TabularPolicy(torch.zeros(config.num_seeds, len(BANDIT_REWARDS), dtype=torch.float64))
    notes = (*about_ignored(config), f"Bandit: {len(BANDIT_REWARDS)} arms, {config.num_seeds} independent runs.")
    try_out(config, task.draw(torch.Generator()))
    return Setup(task, policy, config, BanditEvaluation(task, policy), notes, small=True)


def text(config: Config, machine: Machine = ALONE) -> Setup:
    """Model, rows and rewards by their names in the config."""
    device = choose_device(config.device)
    rows, held_out = read_rows(config)
    with blame(f"reward_funcs {', '.join(config.reward_funcs)}: loading raised", ours=True):
        scorer = scorer_of(config, device)
    check_rows(config, rows, held_out, scorer)
    critic = method_of(config.method).needs(config).critic
    near = require_memory(config, device, rows, held_out)
    with blame(
        f"model_name_or_path {config.model_name_or_path!r}: loading it raised", own=(torch.OutOfMemoryError,), ours=True
    ):
        policy, tokenizer = language_policy(config, device, critic=critic)
    setup = text_setup(config, policy, tokenizer, rows=rows, held_out=held_out, scorer=scorer, machine=machine)
    return setup if near is None else replace(setup, notes=(*setup.notes, near))


def read_rows(config: Config) -> tuple[Rows, Rows]:
    """Rows to train on and rows to evaluate on. Raises `ValueError` on whatever reading them raises."""
    with blame(f"dataset_name {config.dataset_name!r}: reading it raised", ours=True):
        return rows_of(config)


def text_setup(
    config: Config,
    policy: CausalLMPolicy,
    tokenizer: PreTrainedTokenizerBase,
    *,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    scorer: Scorer | None,
    machine: Machine = ALONE,
) -> Setup:
    """A policy, rows and rewards that are there already, and that have been checked (`check_rows`).

    held_out: may be empty; nothing is evaluated then, nor in a process that writes nothing. scorer: None for a method
    that samples nothing, which may do without a reward. The method is tried on made-up numbers.
    """

    def examples_of(some: Sequence[Row]) -> list[Example]:
        limits = Limits(prompt=config.max_prompt_length, completion=config.max_completion_length)
        return training_examples(some, encoder, limits, context=context_of(policy.model, tokenizer))[0]

    encoder = encoder_of(policy.model, tokenizer, config)
    examples, held_examples = examples_of(rows), examples_of(held_out) if held_out and machine.writes else []
    policy.stop_at(encoder.end_ids)
    config = with_steps(config, len(examples), machine.processes)
    batch = prompts_per_step(config) * machine.processes

    def state(step: int) -> TrainerState:
        return replace(_state(config), global_step=step, epoch=step * batch / len(examples))

    task = TextTask(examples, encoder, scorer, batch=batch, seed=config.seed, state=state)
    try_out(config, task.rows(range(min(len(examples), 2))))
    evaluation: Evaluation = Unevaluated()
    if held_examples:
        held = TextTask(held_examples, encoder, scorer, batch=batch, seed=config.seed, state=state)
        fixed = held.rows(range(min(len(held_examples), config.max_eval_prompts)))
        shown = tuple(example.row.reference or "" for example in held_examples[: len(fixed)])
        evaluation = TextEvaluation(HeldOut(held, fixed, held.text, shown), policy, config)
    dropped = len(rows) + len(held_out) - len(examples) - len(held_examples)
    parameters = policy.model.num_parameters()
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    notes = (
        *about_ignored(config),
        f"Model: {config.model_name_or_path}, {trained:,} of {parameters:,} parameters trained, "
        f"{str(policy.model.dtype).removeprefix('torch.')}{' with bfloat16 autocast' if policy.bf16 else ''}, "
        f"on {policy.device}.",
        f"Data: {config.dataset_name}, {len(examples)} rows to train on, {len(held_examples)} held out, "
        f"{dropped} dropped as too long{left_out(rows, held_out)}{in_epochs(config)}.",
        *(alike(rows, reader=config.method) if method_of(config.method).needs(config).rejected else ()),
        about_rewards(scorer.functions if scorer else (), evaluation.reference_score),
        *remarks(encoder, (example.row.reference for example in examples)),
    )
    return Setup(
        task, policy, config, evaluation, notes, parameters < SMALL, task.text,
        partial(save_tokenizer, encoder.tokenizer), rows, held_out, dropped,
    )  # fmt: skip


SETUPS: dict[str, Callable[[Config, Machine], Setup]] = {"bandit": bandit, "text": text}


def check_rows(config: Config, rows: Sequence[Row], held_out: Sequence[Row], scorer: Scorer | None) -> None:
    """Before a model is loaded: has every row the answers that the method reads, and can the references be scored?

    Raises `ValueError` naming the row, or the reward function.
    """
    require_answers(config, rows, held_out, scored=scorer is not None)
    if scorer is not None:
        few = rows[:PROBED]
        scorer.probe([r.prompt for r in few], [r.reference for r in few], columns_of(few), _state(config))


def require_answers(config: Config, rows: Sequence[Row], held_out: Sequence[Row], *, scored: bool) -> None:
    """Raise `ValueError`, with the method and the row, unless every row has what the method reads.

    scored: whether answers are sampled and scored in any method, as an evaluation with a reward does.
    """
    method = method_of(config.method)
    needs = require_needs(method, config)
    free = [other.name for other in BUILT_IN.values() if not other.needs(config).references]
    for some, name in ((rows, config.dataset_name), (held_out, config.dataset_test_name or config.dataset_name)):
        require_parts(
            some,
            name,
            reader=method.name,
            references=needs.references,
            rejected=needs.rejected,
            sampled=needs.samples or scored,
            prompts_alone=free,
        )
    if needs.rejected:
        require_pairs(rows, config.dataset_name, reader=method.name)


def _state(config: Config) -> TrainerState:
    return TrainerState(
        max_steps=config.max_steps,
        eval_steps=config.eval_steps,
        save_steps=config.save_steps,
        train_batch_size=config.per_device_train_batch_size,
    )
