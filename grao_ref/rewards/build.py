"""The reward functions as a config describes them."""

import torch

from grao_ref.data.load import own_rule
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.rewards.judge import JudgeSettings
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.settings.config import Config


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
    return load_scorer(names, weights=config.reward_weights or None, device=device, judge=judge_of(config))


def judge_of(config: Config) -> JudgeSettings:
    """How a judge is asked."""
    return JudgeSettings(
        base_url=config.judge_base_url,
        model=config.judge_model,
        timeout=config.judge_timeout,
        swap=config.judge_swap,
        cache=config.judge_cache,
    )
