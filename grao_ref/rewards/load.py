"""Reward functions by name, by dotted path, by folder."""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from grao_ref.data import reasoning
from grao_ref.plugins.importing import import_object
from grao_ref.plugins.near import hint
from grao_ref.rewards.checkers import exact, final_number
from grao_ref.rewards.judge import Judge, JudgeSettings
from grao_ref.rewards.model import DESCRIPTION, HeadReward, ModelReward
from grao_ref.rewards.scorer import RewardFunction, Scorer, named
from grao_ref.rewards.sorting import sorting


def load_scorer(
    names: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    device: torch.device | None = None,
    batch_size: int = 16,
    judge: JudgeSettings | None = None,
) -> Scorer:
    """The reward functions that the names stand for, with their weights.

    A name is one of BUILT_IN; the folder of a head that `python -m grao_ref.reward_head` trained; the folder or hub id
    (`owner/model`) of a sequence classifier with one label; or `package.module.function`, found from the current
    directory too. Models run on `device` (the CPU if left), `batch_size` completions at once.
    Raises `ValueError` on an unknown name, with the nearest known one, and on a wrong number of weights.
    """
    if weights is not None and len(weights) != len(names):
        raise ValueError(f"{len(names)} reward functions ({', '.join(names)}) got {len(weights)} weights")
    place = device or torch.device("cpu")
    functions = [load_function(name, place, batch_size, judge or JudgeSettings()) for name in names]
    known = [name if name in BUILT_IN else None for name in names]
    return Scorer(named(functions, known), weights)


def load_function(name: str, device: torch.device, batch_size: int, judge: JudgeSettings) -> RewardFunction:
    """What one name stands for. Raises `ValueError` where it stands for nothing, with the nearest known one."""
    if name in BUILT_IN:
        return BUILT_IN[name](judge)
    if name and Path(name).is_dir():
        kind = HeadReward if (Path(name) / DESCRIPTION).exists() else ModelReward
        return kind(name, device=device, batch_size=batch_size)
    if re.fullmatch(r"[\w-]+/[\w.-]+", name):
        return ModelReward(name, device=device, batch_size=batch_size)
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", name):
        return import_function(name)
    known = f"it has to be one of {', '.join(BUILT_IN)}, package.module.function, a folder or a hub id"
    raise ValueError(f"unknown reward function {name!r}; {hint(name, BUILT_IN, known)}")


def import_function(path: str) -> RewardFunction:
    """The function at `package.module.function`. The current directory is searched too.

    Raises `ValueError` where `import_object` does, on a class and on what can't be called.
    """
    function = import_object(path, "reward function")
    if inspect.isclass(function) or not callable(function):
        kind = "a class" if inspect.isclass(function) else f"of type {type(function).__name__}"
        raise ValueError(f"reward function {path!r} is {kind}; name a function or a callable object")
    return function  # type: ignore[no-any-return]


BUILT_IN: dict[str, Callable[[JudgeSettings], RewardFunction]] = {
    "exact": lambda judge: exact,
    "final_number": lambda judge: final_number,
    "sorting": lambda judge: sorting,
    "reasoning_gym": lambda judge: reasoning.score,
    "judge_helpful": lambda judge: Judge("helpful", judge),
    "judge_harmless": lambda judge: Judge("harmless", judge),
}
