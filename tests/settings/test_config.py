"""Settings alone: a value of another type or out of its range is refused when the settings are made."""

from dataclasses import replace

import pytest

from grao_ref.methods.registry import prompts_per_step
from grao_ref.settings.config import Config, settings_of

POSITIVE = (
    "max_steps", "eval_steps", "num_iterations", "gradient_accumulation_steps", "num_seeds", "learning_rate",
    "num_generations_eval",
)  # fmt: skip


@pytest.mark.parametrize("name", POSITIVE)
def test_settings_that_must_be_positive(name):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number > 0, got 0"):
        Config(**{name: 0})
    Config(**{name: 1})  # control


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"optimizer": "adamw"}, "optimizer must be one of sgd, adam; got 'adamw'"),
        ({"pool": "all"}, "pool must be one of with_reference, outputs; got 'all'"),
        ({"ablate": ("regulariser",)}, "ablate must be one of exploration, imitation, alignment; got 'regulariser'"),
        ({"max_steps": 2.5}, "max_steps must be a whole number, got 2.5"),
        ({"reward_funcs": "exact"}, "reward_funcs must be a tuple, got 'exact'"),
        ({"reward_funcs": ("exact", 1)}, "reward_funcs must be a str, got 1"),
        ({"num_seeds": True}, "num_seeds must be a whole number, got True"),
        ({"learning_rate": "1e-5"}, "learning_rate must be a number, got '1e-5'"),
        ({"output_dir": "runs"}, "output_dir must be a Path, got 'runs'"),
        ({"epsilon": 1.5}, r"epsilon must be a number in \[0, 1\], got 1.5"),
        ({"seed": -1}, "seed must be a finite number >= 0, got -1"),
        ({"num_generations": 1}, "num_generations must be at least 2, got 1"),
        ({"alignment_coef": float("nan")}, "alignment_coef must be a finite number >= 0, got nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be a finite number > 0, got inf"),
        ({"beta": -0.1}, "beta must be a finite number >= 0, got -0.1"),
        ({"max_prompt_length": 0}, "max_prompt_length must be a finite number > 0, got 0"),
        ({"save_total_limit": 0}, "save_total_limit must be a finite number > 0, got 0"),
    ],
)
def test_settings_that_no_run_can_use(without_shape_checks, setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**setting)


def test_what_may_be_none_may_be_none_and_is_written_so():
    optional = ("beta", "max_prompt_length", "save_total_limit", "output_dir", "bf16", "judge_model")
    plain = settings_of(Config(**dict.fromkeys(optional)))
    assert {plain[name] for name in optional} == {None}
    assert plain["ablate"] == []  # as JSON and YAML write a tuple


def test_settings_that_exclude_each_other_are_made_and_refused_by_the_run():
    """So that presets, files and flags can be put over each other in any order; `checks.check` refuses them."""
    config = Config(optimizer="sgd", weight_decay=0.1)
    assert config.weight_decay == 0.1


def test_what_follows_from_the_settings():
    config = Config(per_device_train_batch_size=32, num_generations=8, gradient_accumulation_steps=3, temperature=0.7)
    assert prompts_per_step(config) == 12
    assert prompts_per_step(replace(config, method="sft")) == 96  # rows
    assert (config.setup, Config(dataset_name="bandit").setup) == ("text", "bandit")
    assert config.likelihood_temperature == 1.0
    assert Config(temperature=0.7, temper_likelihoods=True).likelihood_temperature == 0.7
