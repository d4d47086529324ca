"""The settings that no run can use, refused before any work, each in one line."""

import difflib
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from grao_ref.equations.checks import require_fraction, require_nonnegative, require_one_of, require_positive

if TYPE_CHECKING:
    from grao_ref.config import Config

MODELS = ("tiny", "tabular", "smollm2")
DATASETS = ("sorting", "bandit", "hh-harmless", "hh-helpful", "gsm8k")
SEEDS = 10_000  # the evaluation draws from the first seed beyond
NONNEGATIVE = ("imitation_coef", "alignment_coef", "vf_coef", "weight_decay", "max_grad_norm", "save_steps")
POSITIVE = (
    "learning_rate",
    "temperature",
    "max_steps",
    "eval_steps",
    "max_eval_prompts",
    "num_iterations",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_seeds",
    "max_completion_length",
    "lora_r",
    "lora_alpha",
    "judge_timeout",
    "num_completions_to_print",
)
OPTIONAL_POSITIVE = ("max_prompt_length", "save_total_limit")


def validate(config: "Config") -> None:
    """Raise `ValueError` on the first setting, or pair of settings, that makes no run."""
    for name, kind in get_type_hints(type(config)).items():
        _require_kind(name, getattr(config, name), kind)
    require_nonnegative(**{name: getattr(config, name) for name in NONNEGATIVE})
    require_positive(**{name: getattr(config, name) for name in POSITIVE})
    require_positive(**{n: v for n in OPTIONAL_POSITIVE if (v := getattr(config, n)) is not None})
    require_fraction(epsilon=config.epsilon, gae_lambda=config.gae_lambda, test_size=config.test_size)
    if not 0 <= config.seed <= SEEDS - config.num_seeds and config.dataset_name != "bandit":
        raise ValueError(f"seed must be a whole number from 0 to {SEEDS - config.num_seeds}, got {config.seed}")
    if config.num_generations < 2:
        raise ValueError(f"num_generations must be at least 2, got {config.num_generations}")
    if config.beta is not None:
        require_nonnegative(beta=config.beta)
        if config.method == "dpo":
            require_positive(beta=config.beta)
    _require_known("model_name_or_path", config.model_name_or_path, MODELS)
    _require_known("dataset_name", config.dataset_name, DATASETS)
    _require_together(config)


def _require_known(option: str, value: str, names: tuple[str, ...]) -> None:
    """A misspelt name is caught here; any other unknown one may be on the hub."""
    near = difflib.get_close_matches(value, names, 1, cutoff=0.7)
    if value not in names and near and not Path(value).exists():
        raise ValueError(f"{option} {value!r} is unknown; did you mean {near[0]}?")


def _require_together(config: "Config") -> None:
    """Settings that are each possible, and not with each other."""
    bandit = config.dataset_name == "bandit"
    if bandit != (config.model_name_or_path == "tabular"):
        raise ValueError(
            f"the tabular policy and the bandit belong together, got model {config.model_name_or_path!r} "
            f"and data set {config.dataset_name!r}; `--preset bandit` sets both"
        )
    if bandit and config.max_grad_norm > 0:
        raise ValueError(
            f"max_grad_norm must be 0 in the bandit, whose runs share no parameters, got {config.max_grad_norm}; "
            "`--preset bandit` sets what it needs"
        )
    if (config.dataset_name == "sorting") != (config.model_name_or_path == "tiny"):
        raise ValueError(
            f"the tiny model knows the sorting task and no other, and no other model knows its tokens, got model "
            f"{config.model_name_or_path!r} and data set {config.dataset_name!r}"
        )
    if not bandit and config.per_device_train_batch_size % config.num_generations:
        raise ValueError(
            f"per_device_train_batch_size ({config.per_device_train_batch_size}) must be a multiple of "
            f"num_generations ({config.num_generations}): a group is never split"
        )
    if config.reward_weights and len(config.reward_weights) != len(config.reward_funcs):
        raise ValueError(f"{len(config.reward_weights)} reward_weights for {len(config.reward_funcs)} reward_funcs")
    if config.weight_decay > 0 and config.optimizer == "sgd":
        raise ValueError(f"weight_decay is Adam's, and the optimizer is sgd, got {config.weight_decay}")
    if set(config.ablate) and config.method != "grao" and not config.compare:
        raise ValueError(f"ablate leaves out terms of GRAO, and the method is {config.method}")
    if len(set(config.ablate)) == 3:
        raise ValueError("ablate leaves out all three terms: nothing would be trained")
    if (config.save_steps or config.resume_from_checkpoint) and (config.compare or config.num_seeds > 1):
        raise ValueError("save_steps and resume_from_checkpoint are for a single run, without compare or num_seeds")


def _require_kind(name: str, value: Any, kind: Any) -> None:
    """Command line and config file give the right types; a caller in Python may not."""
    if get_origin(kind) is Literal:
        require_one_of(get_args(kind), **{name: value})
    elif get_origin(kind) is UnionType:
        if value is not None or NoneType not in get_args(kind):
            _require_kind(name, value, next(k for k in get_args(kind) if k is not NoneType))
    elif get_origin(kind) is tuple:
        if not isinstance(value, tuple):
            raise ValueError(f"{name} must be a tuple, got {value!r}")
        for item in value:
            _require_kind(name, item, get_args(kind)[0])
    elif kind is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    elif kind is float and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    elif kind in (bool, str, Path) and not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {value!r}")
