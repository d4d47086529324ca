"""Several reward functions with their weights, each called on copies of its own.

A function has TRL's signature: it is called with keywords only, `prompts, completions, **columns`. It returns a number
for each completion, or None where it can't score one. It may be `async`. `rewards/calls.py` has what it may ask for.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any

from grao_ref.plugins.blame import blame
from grao_ref.rewards.calls import LARGEST, call, offer, reads_ids, rewards_of
from grao_ref.rewards.judge import JudgeGoneError
from grao_ref.rewards.silence import Silence
from grao_ref.rewards.trl import Said, TrainerState
from grao_ref.rewards.waiting import Waiter
from grao_ref.text.messages import Prompt

RewardFunction = Callable[..., Any]


@dataclass(frozen=True)
class ScoreLists:
    """One entry for each completion."""

    total: list[float | None]  # weighted sum over the functions that could score it; None where none could
    parts: dict[str, list[float | None]]  # what each function returned, by its name
    metrics: dict[str, float] = field(default_factory=dict)  # what the functions logged by log_metric
    columns: dict[str, list[Any]] = field(default_factory=dict)  # and by log_extra


class Scorer:
    """R = Σ_k weight_k R_k over the functions that could score a completion, as in TRL.

    `weights`: 1 for each function if left. One departure: a function of weight 0 is recorded and never counts, so a
    completion that only such functions could score has no total (TRL: 0). Raises `ValueError` on no function, a
    wrong number of weights, weights that are not finite or all 0.
    """

    def __init__(self, functions: Mapping[str, RewardFunction], weights: Sequence[float] | None = None) -> None:
        if not functions:
            raise ValueError("at least one reward function is needed, got none")
        weights = [1.0] * len(functions) if weights is None else list(weights)
        if len(weights) != len(functions):
            raise ValueError(f"{len(functions)} reward functions ({', '.join(functions)}) got {len(weights)} weights")
        for name, weight in zip(functions, weights, strict=True):
            if not isinstance(weight, Real) or not math.isfinite(weight):
                raise ValueError(f"the weight of reward function {name!r} must be a finite number, got {weight!r}")
        if not any(weights):
            raise ValueError("at least one reward function needs a weight other than 0")
        self.functions, self.weights = dict(functions), dict(zip(functions, weights, strict=True))
        self._waiter, self._silence = Waiter(), Silence()

    def __call__(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[str],
        *,
        references: Sequence[str | None],
        columns: Mapping[str, Sequence[Any]],
        completion_ids: Sequence[Sequence[int]] | None = None,
        state: TrainerState | None = None,
    ) -> ScoreLists:
        """Every function's rewards and their sum.

        references: None where a row has none. state: what functions see as `trainer_state`. Raises `ValueError`, with
        the function's name, on one that raises, asks for what is not there, or returns a wrong number of rewards,
        something that is no number, NaN, an infinity, or a number that float32 can't hold; and where a sum is one.
        Raises `JudgeGoneError` where a judge answers no more. Warns, once, of a function that falls silent.
        """
        offered = offer(prompts, completions, references, columns, completion_ids)
        said, state = Said(len(prompts), self.functions), state or TrainerState()
        parts: dict[str, list[float | None]] = {name: [] for name in self.functions}
        waiting: dict[str, Awaitable[Any]] = {}
        try:
            for name, function in self.functions.items():
                result = call(name, function, offered, state, said)
                if isinstance(result, Awaitable):
                    waiting[name] = result
                else:
                    parts[name] = rewards_of(name, result, len(prompts))
        except BaseException:
            _close(waiting.values())
            raise
        for name, result in zip(waiting, self._waiter.wait(list(waiting.values())), strict=True):
            if isinstance(result, BaseException):
                with blame(f"reward function {name!r} raised", own=(JudgeGoneError,)):
                    raise result
            parts[name] = rewards_of(name, result, len(prompts))
        self._silence.heard(parts)
        total = [self._total(parts, row) for row in range(len(prompts))]
        return ScoreLists(total, parts, said.metrics, said.columns)

    def probe(
        self,
        prompts: Sequence[Prompt],
        references: Sequence[str | None],
        columns: Mapping[str, Sequence[Any]],
        state: TrainerState | None = None,
    ) -> ScoreLists:
        """Score a few references before the run starts, after each function's own `check()` where it has one.

        A row without a reference is tried with an empty answer, whose reward may be None. A function that reads
        `completion_ids` is not tried: no tokenizer has been loaded yet. Raises `ValueError` where a call would, and on
        a function that could score none of the references.
        """
        for name, function in self.functions.items():
            if callable(check := getattr(function, "check", None)):
                with blame(f"reward function {name!r}: its check raised", own=(ValueError,)):
                    check()
        answers = [reference or "" for reference in references]
        there = [row for row, reference in enumerate(references) if reference is not None]
        parts: dict[str, list[float | None]] = {}
        for name, function in self.functions.items():
            try:
                alone = Scorer({name: function})
                parts |= alone(prompts, answers, references=references, columns=columns, state=state).parts
            except ValueError as error:
                if not reads_ids(error):
                    raise
                parts[name] = [None] * len(prompts)
                continue
            if there and all(parts[name][row] is None for row in there):
                raise ValueError(f"reward function {name!r} could score none of the {len(there)} references")
        self._silence.heard(parts)
        return ScoreLists([self._total(parts, row) for row in range(len(prompts))], parts)

    def _total(self, parts: Mapping[str, list[float | None]], row: int) -> float | None:
        given = [(self.weights[name], part[row]) for name, part in parts.items()]
        counted = [weight * reward for weight, reward in given if weight and reward is not None]
        total = sum(counted) if counted else None
        if total is not None and not abs(total) <= LARGEST:
            named = ", ".join(name for name, part in parts.items() if part[row] is not None)
            raise ValueError(
                f"the weighted sum of the rewards of completions[{row}], from {named}, is {total:.2g}: the largest is "
                f"{LARGEST:.2g}"
            )
        return total


def named(functions: Sequence[RewardFunction], names: Sequence[str | None] | None = None) -> dict[str, RewardFunction]:
    """The functions by names for metrics, their own where none is given; a second `f` becomes `f_2`.

    >>> list(named([len, partial(len), "text".count]))
    ['len', 'len_2', 'count']
    """
    result: dict[str, RewardFunction] = {}
    for function, given in zip(functions, names or [None] * len(functions), strict=True):
        name, number = given or name_of(function), 2
        while (unique := name if number == 2 and name not in result else f"{name}_{number}") in result:
            number += 1
        result[unique] = function
    return result


def name_of(function: RewardFunction) -> str:
    """What a function is called: its own name, that of what a partial wraps, or a callable object's class."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _close(awaitables: Iterable[Awaitable[Any]]) -> None:
    """Coroutines that nobody will wait for: Python warns of those that are left open."""
    for awaitable in awaitables:
        with suppress(Exception):
            awaitable.close()  # type: ignore[attr-defined]
