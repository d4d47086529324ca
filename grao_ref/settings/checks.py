"""Settings that exclude each other: refused before any work, in one line.

`config.py` has refused values out of range already. A method's own demands are in its file (`Method.check`).
"""

import difflib
from pathlib import Path

from grao_ref.methods.calls import called
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.settings.config import Config

MODELS = ("tiny", "tabular", "smollm2")
DATASETS = ("sorting", "bandit", "hh-harmless", "hh-helpful", "gsm8k")
SEEDS = 10_000  # runs have the seeds below; evaluations draw from this one


def check(config: Config) -> None:
    """Raise `ValueError` on the first name that leads nowhere, and on settings that exclude each other."""
    _require_known("model_name_or_path", config.model_name_or_path, MODELS)
    _require_known("dataset_name", config.dataset_name, DATASETS)
    _require_known("dataset_test_name", config.dataset_test_name or config.dataset_name, DATASETS)
    _require_method(config)
    _require_bandit(config) if config.setup == "bandit" else _require_text(config)
    _require_together(config)


def _require_known(option: str, value: str, names: tuple[str, ...]) -> None:
    """A misspelt name is refused here; any other unknown one may be on the hub."""
    near = difflib.get_close_matches(value, names, 1, cutoff=0.7)
    if value not in names and near and not Path(value).exists():
        raise ValueError(f"{option} {value!r} is unknown; did you mean {near[0]}?")


def _require_method(config: Config) -> None:
    method = method_of(config.method)
    if config.compare:  # every run of the comparison is checked by itself
        return
    require_needs(method, config)
    if method.check is not None:
        called(method, "check", config)
    if config.beta and method.kl_weight is None:
        raise ValueError(
            f"beta is the weight of a KL penalty, and {method.name} has none, got {config.beta}; "
            "the β of GRAO's paper is imitation_coef"
        )
    if config.ablate and "ablate" not in method.reads:
        raise ValueError(f"ablate leaves out terms of GRAO, and the method is {method.name}")


def _require_bandit(config: Config) -> None:
    if config.model_name_or_path != "tabular":
        raise ValueError(_TABLES.format(config.model_name_or_path, config.dataset_name))
    if config.max_grad_norm > 0:
        raise ValueError(
            f"max_grad_norm must be 0 in the bandit, whose runs share no parameters, got {config.max_grad_norm}; "
            "`--preset bandit` sets what it needs"
        )
    if config.num_train_epochs is not None:
        raise ValueError("num_train_epochs counts passes through rows, and the bandit has none: set max_steps")
    if config.sampler != Config.sampler:
        raise ValueError(f"sampler {config.sampler} is for language models, and the bandit's policy is a table")
    for name in ("use_peft", "merge_adapter", "lora_dropout", "push_to_hub"):
        if getattr(config, name):
            raise ValueError(f"{name} is for language models, and the bandit's policy is a table")
    if config.reward_funcs:
        raise ValueError("the bandit has its own rewards: leave out reward_funcs")


def _require_text(config: Config) -> None:
    if config.model_name_or_path == "tabular":
        raise ValueError(_TABLES.format(config.model_name_or_path, config.dataset_name))
    if config.seed > SEEDS - config.num_seeds:
        raise ValueError(f"seed must be a whole number from 0 to {SEEDS - config.num_seeds}, got {config.seed}")
    other = config.dataset_test_name or config.dataset_test_split
    if other is None and not 0 < config.test_size < 1:
        raise ValueError(f"test_size must lie between 0 and 1 without a dataset_test_split, got {config.test_size}")
    samples = config.compare or require_needs(method_of(config.method), config).samples
    if samples and config.per_device_train_batch_size % config.num_generations:
        raise ValueError(
            f"per_device_train_batch_size ({config.per_device_train_batch_size}) must be a multiple of "
            f"num_generations ({config.num_generations}): a group is never split"
        )


def _require_together(config: Config) -> None:
    if config.reward_weights and len(config.reward_weights) != len(config.reward_funcs):
        raise ValueError(f"{len(config.reward_weights)} reward_weights for {len(config.reward_funcs)} reward_funcs")
    if config.weight_decay > 0 and config.optimizer == "sgd":
        raise ValueError(f"weight_decay is Adam's, and the optimizer is sgd, got {config.weight_decay}")
    if (config.save_steps or config.resume_from_checkpoint) and (config.compare or config.num_seeds > 1):
        raise ValueError("save_steps and resume_from_checkpoint are for a single run, without compare or num_seeds")
    if config.push_to_hub and (config.compare or config.num_seeds > 1):
        raise ValueError("push_to_hub is for a single run, which saves a model: without compare or num_seeds")


_TABLES = (
    "the tabular policy and the bandit belong together, got model {!r} and data set {!r}; `--preset bandit` sets both"
)
