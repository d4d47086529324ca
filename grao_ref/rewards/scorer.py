"""Several reward functions with their weights. What each returns is checked, because a user may have written it.

A function has TRL's signature: it is called with keywords only, `prompts, completions, **columns`. It returns a number
for each completion, or None where it can't score one. It may be `async`.
"""

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

from torch import Tensor

from grao_ref.plugins.blame import blame
from grao_ref.rewards.waiting import Waiter
from grao_ref.text.messages import Prompt, as_completion

RewardFunction = Callable[..., Any]
OURS = ("prompts", "completions", "references", "completion_ids")  # keywords that no column may have
DROPPED = ("prompt", "completion", "completion_ids")  # columns that TRL does not pass on either


@dataclass(frozen=True)
class ScoreLists:
    """One entry for each completion."""

    total: list[float | None]  # weighted sum over the functions that could score it; None where none could
    parts: dict[str, list[float | None]]  # what each function returned, by its name


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
        self._waiter = Waiter()

    def __call__(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[str],
        *,
        references: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        completion_ids: Sequence[Sequence[int]] | None = None,
    ) -> ScoreLists:
        """Every function's rewards and their sum.

        Raises `ValueError`, with the function's name, on one that raises, or returns a wrong number of rewards,
        something that is no number, NaN or an infinity.
        """
        offered = _offer(prompts, completions, references, columns, completion_ids)
        results = {name: _call(name, function, offered) for name, function in self.functions.items()}
        waiting = {name: result for name, result in results.items() if isinstance(result, Awaitable)}
        for name, result in zip(waiting, self._waiter.wait(list(waiting.values())), strict=True):
            if isinstance(result, BaseException):
                with blame(f"reward function {name!r} raised"):
                    raise result
            results[name] = result
        parts = {name: _rewards(name, result, len(prompts)) for name, result in results.items()}
        return ScoreLists([self._total(parts, row) for row in range(len(prompts))], parts)

    def probe(
        self, prompts: Sequence[Prompt], references: Sequence[str], columns: Mapping[str, Sequence[Any]]
    ) -> ScoreLists:
        """Score a few references before the run starts, after each function's own `check()` where it has one.

        Raises `ValueError` where a call would, and on a function that could score none of them.
        """
        for name, function in self.functions.items():
            if callable(check := getattr(function, "check", None)):
                with blame(f"reward function {name!r}: its check raised", own=(ValueError,)):
                    check()
        scores = self(prompts, references, references=references, columns=columns)
        for name, rewards in scores.parts.items():
            if rewards and all(reward is None for reward in rewards):
                raise ValueError(f"reward function {name!r} could score none of the {len(rewards)} references")
        return scores

    def _total(self, parts: Mapping[str, list[float | None]], row: int) -> float | None:
        given = [(self.weights[name], part[row]) for name, part in parts.items()]
        counted = [weight * reward for weight, reward in given if weight and reward is not None]
        return sum(counted) if counted else None


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


def _offer(
    prompts: Sequence[Prompt],
    completions: Sequence[str],
    references: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    completion_ids: Sequence[Sequence[int]] | None,
) -> dict[str, Any]:
    """The keyword arguments that functions may take, each with one entry for every completion."""
    columns = {name: values for name, values in columns.items() if name not in DROPPED}
    for name in columns:
        if name in OURS:
            raise ValueError(f"the data set's column {name!r} has the name of a reward function's argument; rename it")
    offered: dict[str, Any] = {"prompts": list(prompts), "completions": completions, "references": list(references)}
    if completion_ids is not None:
        offered["completion_ids"] = list(completion_ids)
    offered |= {name: list(values) for name, values in columns.items()}
    for name, values in offered.items():
        if len(values) != len(prompts):
            raise ValueError(f"{name} must have one entry for each of {len(prompts)} prompts, got {len(values)}")
    return offered | {"completions": [as_completion(text, p) for text, p in zip(completions, prompts, strict=True)]}


def _call(name: str, function: RewardFunction, offered: dict[str, Any]) -> Any:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):  # a builtin without a signature
        parameters = [inspect.Parameter("columns", inspect.Parameter.VAR_KEYWORD)]
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        wanted = {parameter.name for parameter in parameters}
        kept = {key: value for key, value in offered.items() if key in wanted}
    else:
        kept = offered
    for parameter in parameters:
        by_name = parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        if by_name and parameter.default is inspect.Parameter.empty and parameter.name not in kept:
            raise ValueError(
                f"reward function {name!r} asks for {parameter.name!r}, and there is only {', '.join(sorted(offered))}"
            )
    with blame(f"reward function {name!r} raised"):
        return function(**kept)


def _rewards(name: str, result: Any, count: int) -> list[float | None]:
    """What the function returned as plain numbers, one for each completion."""
    if isinstance(result, str | bytes | Mapping) or not hasattr(result, "__iter__"):
        kind = type(result).__name__
        raise ValueError(f"reward function {name!r} must return a list of {count} rewards, got {kind}")
    rewards = list(result)
    if len(rewards) != count:
        raise ValueError(f"reward function {name!r} returned {len(rewards)} rewards for {count} completions")
    return [_number(name, row, reward) for row, reward in enumerate(rewards)]


def _number(name: str, row: int, reward: Any) -> float | None:
    if reward is None:
        return None
    if isinstance(reward, Tensor) and reward.dim() == 0:
        reward = reward.item()
    if not isinstance(reward, Real) or not math.isfinite(reward):
        raise ValueError(f"reward function {name!r} gave row {row} {reward!r}: it must be a finite number, or None")
    return float(reward)
