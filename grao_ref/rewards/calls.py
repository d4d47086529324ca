"""One call of a reward function: the keywords that it asks for, each a copy, and a check of what it returns."""

import inspect
import math
from collections.abc import Callable, Mapping, MappingView, Sequence, Set, Sized
from dataclasses import asdict
from itertools import islice
from typing import Any

import torch

from grao_ref.plugins.blame import blame
from grao_ref.rewards.copies import copied
from grao_ref.rewards.judge import JudgeGoneError
from grao_ref.rewards.trl import Said, TrainerState, number_of, shown
from grao_ref.text.messages import Prompt, as_completion

TOOLS = ("trainer_state", "log_metric", "log_extra")  # beside the lists, as in TRL 1.16
IDS = "completion_ids"
OURS = ("prompts", "completions", "references", IDS, *TOOLS)  # keywords that no column may have
UNLISTED = (str, bytes, bytearray, Mapping, MappingView, Set)  # what can be gone through, and is no list of rewards
LARGEST = torch.finfo(torch.float32).max  # in which training has them: a larger one would be infinite there
DROPPED = ("prompt", "completion", IDS)  # columns that TRL does not pass on either


class AbsentError(ValueError):
    """A function asks for what is not there: `argument`."""

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


def offer(
    prompts: Sequence[Prompt],
    completions: Sequence[str],
    references: Sequence[str | None],
    columns: Mapping[str, Sequence[Any]],
    completion_ids: Sequence[Sequence[int]] | None,
) -> dict[str, Any]:
    """The lists that functions may ask for, each with one entry for every completion.

    `references` is among them where a row has one. Raises `ValueError` on lists of different lengths, and on a column
    with the name of an argument.
    """
    columns = {name: values for name, values in columns.items() if name not in DROPPED}
    for name in columns:
        if name in OURS:
            raise ValueError(
                f"the data set's column {name!r} has the name of a reward function's argument; give it another one: "
                f"--column other_{name}={name}"
            )
    offered: dict[str, Any] = {"prompts": prompts, "completions": completions, "references": references}
    if completion_ids is not None:
        offered["completion_ids"] = completion_ids
    offered |= columns
    for name, values in offered.items():
        if len(values) != len(prompts):
            raise ValueError(f"{name} must have one entry for each of {len(prompts)} prompts, got {len(values)}")
    if all(reference is None for reference in references):
        del offered["references"]
    return offered | {"completions": [as_completion(text, p) for text, p in zip(completions, prompts, strict=True)]}


def call(name: str, function: Callable[..., Any], offered: dict[str, Any], state: TrainerState, said: Said) -> Any:
    """What the function returns for its own copies of the lists that it asks for.

    Raises `ValueError` where it raises anything, and where it asks for what is not there.
    """
    there = [*offered, *TOOLS]
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):  # a builtin without a signature
        parameters = [inspect.Parameter("columns", inspect.Parameter.VAR_KEYWORD)]
    wanted = {parameter.name for parameter in parameters}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [p.name for p in parameters if p.kind in named and p.default is inspect.Parameter.empty]
    absent = sorted((each for each in needed if each not in there), key=lambda each: each == IDS)
    if absent:
        known = ", ".join(sorted(there))
        raise AbsentError(f"reward function {name!r} asks for {absent[0]!r}, and there is only {known}", absent[0])
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        wanted |= set(there)
    kept = {key: _copy(key, values) for key, values in offered.items() if key in wanted}
    tools = {
        "trainer_state": TrainerState(**asdict(state)),
        "log_metric": said.log_metric,
        "log_extra": said.log_extra,
    }
    with blame(f"reward function {name!r} raised", own=(JudgeGoneError,)):
        return function(**kept, **{key: tool for key, tool in tools.items() if key in wanted})


def _copy(key: str, values: Sequence[Any]) -> list[Any]:
    try:
        return list(copied(list(values)))
    except RecursionError:
        raise ValueError(f"{key} holds values that are nested too deeply to be handed to a reward function") from None


def reads_ids(error: ValueError) -> bool:
    """Whether a call without `completion_ids` failed for the lack of them: by the signature, or by a `KeyError`."""
    if isinstance(error, AbsentError):
        return error.argument == IDS
    return isinstance(error.__cause__, KeyError) and error.__cause__.args == (IDS,)


def rewards_of(name: str, result: Any, count: int) -> list[float | None]:
    """What the function returned as plain numbers, one for each completion."""
    with blame(f"reward function {name!r} raised"):  # a generator runs here, and objects of its own are asked
        listed = _is_listed(result)
        rewards = list(islice(result, count + 1)) if listed else []  # one too many: a generator may have no end
        told = (
            len(rewards)
            if len(rewards) <= count
            else len(result)
            if isinstance(result, Sized)
            else f"more than {count}"
        )
    if not listed:
        kind = type(result).__name__
        raise ValueError(f"reward function {name!r} must return a list of {count} rewards, got {kind}")
    if len(rewards) != count:
        raise ValueError(f"reward function {name!r} returned {told} rewards for {count} completions")
    return [_reward(name, row, reward) for row, reward in enumerate(rewards)]


def _is_listed(result: Any) -> bool:
    """Whether it can be gone through in an order of its own. An array of one number, and no list, can't."""
    return hasattr(result, "__iter__") and not isinstance(result, UNLISTED) and getattr(result, "ndim", 1) != 0


def _reward(name: str, row: int, reward: Any) -> float | None:
    if reward is None:
        return None
    with blame(f"reward function {name!r} gave completions[{row}] what can't be read: it raised"):
        number = number_of(reward)
    if number is None or not abs(number) <= LARGEST:  # a NaN is not either
        said = shown(reward if number is None else number)
        raise ValueError(
            f"reward function {name!r} gave completions[{row}] {said}: it must be a finite number, or None"
            + (f"; the largest is {LARGEST:.2g}" if number is not None and math.isfinite(number) else "")
        )
    return number
