"""The reward functions as a config describes them."""

import inspect
from dataclasses import replace
from typing import Any

import torch

from grao_ref.data.load import own_rule
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.rewards.judge import JudgeSettings
from grao_ref.rewards.load import BUILT_IN, load_function, load_scorer
from grao_ref.rewards.scorer import Scorer, named
from grao_ref.settings.config import Config


def require_reward(config: Config) -> tuple[str, ...]:
    """The names of what scores answers. Raises `ValueError` where a method samples and nothing scores its answers."""
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
    return load_scorer(names, weights=config.reward_weights or None, device=device, judge=judge_of(config))


def scorer_from(given: Any, config: Config, device: torch.device) -> tuple[Scorer | None, Config]:
    """A user's own functions, and names, one or a list; the config with what they are called as `reward_funcs`.

    Raises `ValueError` on what is neither a function nor a name, on a wrong number of weights, and where nothing is
    given and the method samples answers.
    """
    listed = list(given) if isinstance(given, list | tuple) else [given]
    for each in listed:
        if isinstance(each, torch.nn.Module):
            raise ValueError("reward_funcs has a model: give its folder or hub id, with which its tokenizer is found")
        if inspect.isclass(each) or not (isinstance(each, str) or callable(each)):
            raise ValueError(f"reward_funcs must be functions or their names, one or a list; got {each!r:.80}")
    judge = judge_of(config)
    functions = [load_function(each, device, 16, judge) if isinstance(each, str) else each for each in listed]
    table = named(functions, [each if isinstance(each, str) and each in BUILT_IN else None for each in listed])
    config = replace(config, reward_funcs=tuple(table))
    if not table and require_needs(method_of(config.method), config).samples:
        raise ValueError(f"{config.method} samples answers, and nothing scores them: give finetune reward_funcs")
    return (Scorer(table, config.reward_weights or None) if table else None), config


def judge_of(config: Config) -> JudgeSettings:
    """How a judge is asked."""
    return JudgeSettings(
        base_url=config.judge_base_url,
        model=config.judge_model,
        timeout=config.judge_timeout,
        swap=config.judge_swap,
        cache=config.judge_cache,
    )
