"""The Python door: train a model, with a tokenizer and rows that are there already, in a notebook or a script.

    for report in finetune(model, tokenizer, rows, reward_funcs=[f], learning_rate=1e-6, max_steps=100):
        print(report.step, report.means()["reward"])

Its settings are those of the command line, under the same names. What the command writes into a folder is the caller's
here: reports, the model, completions.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from grao_ref.data.rows import Row, apart, split_by_prompt
from grao_ref.evaluation.monitor import LOGLIK
from grao_ref.methods.registry import method_of, summary_of
from grao_ref.policies.build import policy_of
from grao_ref.policies.lora import set_dropout
from grao_ref.policies.modes import get_ready
from grao_ref.rewards.build import scorer_from
from grao_ref.runs.alarm import Alarm
from grao_ref.runs.log import completion_rows
from grao_ref.runs.own_objects import OwnNumbers, borrowed, config_from, require_tokenizer, rows_from, trainable
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.setups import Setup, check_rows, text_setup
from grao_ref.training.loop import Report, proceed, start
from grao_ref.training.machine import require_one_process
from grao_ref.training.state import Training
from grao_ref.training.undo import in_their_places

Rewarding = str | Callable[..., Any]


def finetune(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: Iterable[Mapping[str, Any] | Row],
    *,
    reward_funcs: Rewarding | Sequence[Rewarding] = (),
    eval_rows: Iterable[Mapping[str, Any] | Row] | None = None,
    **settings: Any,
) -> "Finetuning":
    """Train the model in place. Returns an iterator of reports: each `next` makes one optimiser step.

    - `model`: a causal language model of transformers, on any device; its parameters of any float dtype, of which those
      with `requires_grad` are trained. A `PeftModel` trains its adapter. Between steps it is in evaluation mode,
      without dropout; when the iterator ends or is closed, its modes, its dropout, its layers' classes and torch's
      switches are as before.
    - `tokenizer`: its tokenizer, which is not changed.
    - `rows`: N rows, a list of dictionaries or a `datasets.Dataset`, in any format that the command reads. The usual
      one is `{"prompt": ..., "completion": ...}` for grao and sft, with `chosen` and `rejected` for dpo, `prompt` alone
      for grpo and ppo; each text or a list of messages. Other columns go to the reward functions.
    - `reward_funcs`: one function or several, or the names that the command knows; none for a method that samples
      nothing (sft, dpo). f(prompts, completions, **columns) -> B rewards, each a number or None, as in TRL: prompts,
      completions and every column are lists of B, one entry for each sampled answer of the step. It may be `async`.
    - `eval_rows`: M rows like `rows`, evaluated every `eval_steps` steps and after the last one: a report's metrics
      whose names begin with `eval_`. `before` has them before the first step. No prompt of theirs is trained on. Left
      out, nothing is evaluated, unless `test_size` holds out a share of the rows.
    - `settings`: those of the command (`Config`, `python -m grao_ref.train --help`), lists and numbers as Python has
      them. `method` may be a `Method` too. They start from the preset `OWN`: grao, one pass through the rows, learning
      rate 1e-5, two prompts a step with eight samples each, at most 256 tokens of an answer.

    Raises `ValueError` before the first step, at this call, on whatever can't be trained: an unknown setting (with the
    nearest), a row, a reward function, a model without a trainable parameter.
    """
    require_one_process("finetune trains")
    require_tokenizer(tokenizer)
    config = config_from(settings)
    inner = trainable(model, new_adapter=config.use_peft)
    config = replace(config, model_name_or_path=type(inner).__name__)
    train_on, held_out = _both(rows, eval_rows, config, held_out="test_size" in settings)
    scorer, config = scorer_from(reward_funcs, config, inner.device)
    check(config)
    check_rows(config, train_on, held_out, scorer)
    numbers = OwnNumbers(config.seed, inner.device)
    with borrowed(model), numbers:  # a new adapter's weights are drawn from torch's own generator
        policy = policy_of(model, tokenizer, config, critic=method_of(config.method).needs(config).critic)
        setup = text_setup(config, policy, tokenizer, rows=train_on, held_out=held_out, scorer=scorer)
        return Finetuning(setup, start(policy, setup.config), model, numbers)


class Finetuning(Iterator[Report]):
    """A training that is prepared. Iterating makes its steps; `len` is the number of those that are left.

    `config`: every setting, as the run has it. `notes`: what the command prints first, about method, model, data and
    rewards. `before`: the held-out metrics before the first step, empty where nothing is evaluated.
    """

    def __init__(self, setup: Setup, training: Training, model: Any, numbers: OwnNumbers) -> None:
        self.setup, self.config, self._training = setup, setup.config, training
        self.notes = (f"Method: {summary_of(setup.config)}", *setup.notes)
        self.before = {name: value.item() for name, value in setup.evaluation.metrics(0).items()}
        watch = _Watch(setup.config)
        watch(self.before)
        # The generator must not refer to `self`: a reference cycle would keep the model in memory.
        self._reports = _steps(setup, training, model, watch, numbers)
        _warn_of(setup)

    def __iter__(self) -> "Finetuning":
        return self

    def __next__(self) -> Report:
        return next(self._reports)

    def __len__(self) -> int:
        return max(self.config.max_steps - self._training.step, 0)

    def __repr__(self) -> str:
        return f"Finetuning(step {self._training.step} of {self.config.max_steps})"

    def close(self) -> None:
        """End the training here; the model stays as trained as it is."""
        self._reports.close()

    def completions(self, report: Report) -> list[dict[str, Any]]:
        """A report's samples: a dictionary for each, with prompt, completion, rewards, advantage and extra columns.

        As the command writes them into completions/*.jsonl; empty for a method that samples nothing.
        """
        assert self.setup.text is not None
        return completion_rows(report, list(self.setup.task.reward_weights), self.setup.text)


def _steps(
    setup: Setup, training: Training, model: Any, watch: "_Watch", numbers: OwnNumbers
) -> Generator[Report, None, None]:
    config, steps = setup.config, proceed(setup.task, training, setup.config)
    put_back = in_their_places(training.policy.parameters())
    with borrowed(model) as inner:
        get_ready(inner, checkpointing=config.gradient_checkpointing)
        set_dropout(inner, config.lora_dropout)
        try:
            while training.step < config.max_steps:
                with numbers:
                    report = next(steps)
                if report.step % config.eval_steps == 0 or report.step == config.max_steps:
                    measured = setup.evaluation.metrics(report.step)
                    watch({name: value.item() for name, value in measured.items()})
                    known = {name: value for name, value in measured.items() if not value.isnan().any()}
                    report = replace(report, metrics=report.metrics | known)
                yield report
        finally:
            put_back()
            training.optimizer.zero_grad(set_to_none=True)


class _Watch:
    """Warns of thm-4 as the command does."""

    def __init__(self, config: Config) -> None:
        self.alarm, self.config = Alarm(), config

    def __call__(self, measured: Mapping[str, float]) -> None:
        warning = self.alarm.check(measured[LOGLIK], self.config) if LOGLIK in measured else None
        if warning is not None:
            warnings.warn(warning, stacklevel=4)


def _both(rows: Any, eval_rows: Any, config: Config, *, held_out: bool) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to evaluate on, which may be none; no prompt is among both, as in the command."""
    train_on = rows_from(rows, config.dataset_name, config)
    if eval_rows is None:
        return split_by_prompt(train_on, share=config.test_size, seed=config.seed) if held_out else (train_on, [])
    if held_out:
        raise ValueError("eval_rows are given, and test_size would hold out others: leave out one of the two")
    evaluated = rows_from(eval_rows, "eval_rows", config)
    kept = apart(train_on, evaluated)
    if not kept:
        raise ValueError("every prompt of rows is in eval_rows too: nothing is left to train on")
    if len(kept) < len(train_on):
        count = len(train_on) - len(kept)
        warnings.warn(f"{count} of {len(train_on)} rows are left out: their prompts are in eval_rows", stacklevel=4)
    return kept, evaluated


def _warn_of(setup: Setup) -> None:
    """Of rows that were too long, which a notebook does not show: it has no log."""
    if setup.dropped:
        config, total = setup.config, len(setup.rows) + len(setup.held_out)
        limits = f"max_prompt_length {config.max_prompt_length}, max_completion_length {config.max_completion_length}"
        warnings.warn(f"{setup.dropped} of {total} rows are left out, as too long ({limits} tokens)", stacklevel=4)
