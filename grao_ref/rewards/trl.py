"""What TRL hands a reward function beside the columns: `trainer_state`, `log_metric` and `log_extra`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Any

from grao_ref.plugins.blame import one_line
from grao_ref.rewards.copies import copied

RESERVED = ("run", "seed", "step", "prompt", "completion", "advantage")  # names in metrics.jsonl and completions/


@dataclass
class TrainerState:
    """Where training stands, with the attributes of transformers' `TrainerState`; each function gets its own copy.

    `global_step` is the number of optimiser steps that are done: 0 while the first step's answers are scored.
    """

    epoch: float = 0.0  # passes through the rows, the one that is going on included as far as it is done
    global_step: int = 0
    max_steps: int = 0
    logging_steps: int = 1
    eval_steps: int = 0
    save_steps: int = 0
    train_batch_size: int | None = None
    num_train_epochs: int = 0
    num_input_tokens_seen: int = 0  # not counted here, and 0, as are the next fields: they are there to be read
    total_flos: float = 0
    log_history: list[dict[str, float]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
    is_hyper_param_search: bool = False
    trial_name: str | None = None
    trial_params: dict[str, str | float | int | bool] | None = None
    stateful_callbacks: dict[str, Any] = field(default_factory=dict)


def standing_at(step: int) -> TrainerState:
    """The state after `step` optimiser steps, of which nothing else is known."""
    return TrainerState(global_step=step)


class Said:
    """What the functions of one call log beside their rewards: metrics of the step, and columns by completion.

    count: completions of the call. taken: names that a column can't have, those of the reward functions.
    """

    def __init__(self, count: int, taken: Iterable[str]) -> None:
        self._count, self._taken = count, {*RESERVED, *taken}
        self._metrics: dict[str, list[float]] = {}
        self._columns: dict[str, list[Any]] = {}

    def log_metric(self, name: str, value: Any) -> None:
        """A number for this step's metrics, averaged over the calls with its name; a NaN is left out.

        Raises `ValueError` on a name that metrics.jsonl uses itself, and on what is no number.
        """
        number = number_of(value)
        if not isinstance(name, str) or not name or name in RESERVED:
            raise ValueError(f"log_metric needs a name of its own for a metric, got {shown(name)}")
        if number is None or math.isinf(number):
            raise ValueError(f"log_metric needs a finite number for {name!r}, got {shown(value)}")
        if not math.isnan(number):
            self._metrics.setdefault(name, []).append(number)

    def log_extra(self, column: str, values: Iterable[Any]) -> None:
        """A column of completions/*.jsonl, one value for each completion; further calls append to it.

        Raises `ValueError` on a name that the file's own columns have.
        """
        if not isinstance(column, str) or not column or column in self._taken:
            raise ValueError(f"log_extra needs a name of its own for a column, got {shown(column)}")
        kept = self._columns.setdefault(column, [])
        kept.extend(copied(value) for value in islice(values, self._count + 1 - len(kept)))  # one too many is refused

    @property
    def metrics(self) -> dict[str, float]:
        """The mean of each metric over its calls."""
        return {name: _mean(values) for name, values in self._metrics.items()}

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The columns. Raises `ValueError` on one that has not one value for each completion."""
        for column, values in self._columns.items():
            if len(values) != self._count:
                told = len(values) if len(values) < self._count else f"more than {self._count}"
                raise ValueError(f"log_extra got {told} values for the column {column!r} and {self._count} completions")
        return {column: list(values) for column, values in self._columns.items()}  # a later call changes none of them


def number_of(value: Any) -> float | None:
    """A number of Python's, numpy's or torch's as a float; None where it is none.

    Arrays and tensors of one element are numbers too: a model returns them.

    >>> number_of(True), number_of("1")
    (1.0, None)
    """
    item = getattr(value, "item", None)
    if callable(item):
        try:
            mask = getattr(value, "mask", False)
            value = item() if callable(mask) or not mask else math.nan  # numpy's `masked` says it is 0
        except (ValueError, RuntimeError):  # more than one element
            return None
    if isinstance(value, Decimal) and value.is_nan():  # of which one kind raises
        return math.nan
    try:
        return float(value) if isinstance(value, Real | Decimal) else None
    except OverflowError:  # a whole number beyond every float
        return -math.inf if value < 0 else math.inf


def shown(value: Any) -> str:
    r"""A value as an error shows it: in one line, its beginning; its type where it can't be shown.

    >>> shown([1, 2]), shown("a\nb"), shown(10**5000)
    ('[1, 2]', "'a\\nb'", 'an int')
    """
    try:
        return one_line(repr(value))[:80]
    except Exception:  # a `__repr__` that fails, or a number of thousands of digits
        kind = type(value).__name__
        return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _mean(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else sum(value / len(values) for value in values)  # only the sum was too large
