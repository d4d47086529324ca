"""Settings that are possible alone and not together are refused before any work, each in one line."""

from dataclasses import replace

import pytest

from grao_ref.settings.checks import SEEDS, check
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS

BANDIT = PRESETS["bandit"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(dataset_name="hh-helpfull"), "dataset_name 'hh-helpfull' is unknown; did you mean hh-helpful?"),
        (Config(model_name_or_path="smolm2"), "model_name_or_path 'smolm2' is unknown; did you mean smollm2?"),
        (Config(method="grpoo"), "unknown method 'grpoo'; did you mean grpo?"),
        (Config(dataset_name="bandit"), "the tabular policy and the bandit belong together, got model 'tiny' and"),
        (Config(model_name_or_path="tabular"), "belong together, got model 'tabular' and data set 'sorting'"),
        (replace(BANDIT, max_grad_norm=1.0), "max_grad_norm must be 0 in the bandit, whose runs share no parameters"),
        (replace(BANDIT, use_peft=True), "use_peft is for language models"),
        (replace(BANDIT, reward_funcs=("exact",)), "the bandit has its own rewards: leave out reward_funcs"),
        (
            Config(num_generations=5),
            "per_device_train_batch_size (128) must be a multiple of num_generations (5): a group is never split",
        ),
        (
            Config(compare=True, method="sft", num_generations=5),
            "per_device_train_batch_size (128) must be a multiple of num_generations (5): a group is never split",
        ),
        (Config(seed=SEEDS), "seed must be a whole number from 0 to 9999, got 10000"),
        (Config(seed=SEEDS - 2, num_seeds=3), "seed must be a whole number from 0 to 9997, got 9998"),
        (Config(test_size=1.0), "test_size must lie between 0 and 1 without a dataset_test_split, got 1.0"),
        (Config(test_size=0.0), "test_size must lie between 0 and 1 without a dataset_test_split, got 0.0"),
        (Config(ablate=("exploration",), method="grpo"), "ablate leaves out terms of GRAO, and the method is grpo"),
        (Config(ablate=("exploration", "imitation", "alignment")), "ablate leaves out all three terms"),
        (Config(beta=0.0, method="dpo"), "beta must be a finite number > 0, got 0.0"),
        (
            Config(beta=0.5),  # not GRAO's β
            "beta is the weight of a KL penalty, and grao has none, got 0.5; the β of GRAO's paper is imitation_coef",
        ),
        (Config(weight_decay=0.1, optimizer="sgd"), "weight_decay is Adam's, and the optimizer is sgd, got 0.1"),
        (Config(reward_weights=(1.0, 2.0)), "2 reward_weights for 0 reward_funcs"),
        (Config(save_steps=5, num_seeds=2), "save_steps and resume_from_checkpoint are for a single run"),
        (Config(save_steps=5, compare=True), "save_steps and resume_from_checkpoint are for a single run"),
    ],
)
def test_what_can_not_be_together_is_one_line(config, message):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as error:
        check(config)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "config",
    [
        *PRESETS.values(),
        Config(model_name_or_path="someone/model"),  # any model may train on any data
        Config(dataset_name="rows.jsonl"),
        Config(beta=0.0),
        Config(beta=0.1, method="grpo"),
        Config(seed=SEEDS - 3, num_seeds=3),
        Config(method="sft", num_generations=5),  # it samples no groups: its batch counts rows
        Config(method="dpo", per_device_train_batch_size=3),
        replace(BANDIT, seed=SEEDS),  # nothing is evaluated by sampling there
        replace(BANDIT, num_generations=5),
        Config(test_size=0.0, dataset_test_split="test"),
        Config(reward_funcs=("exact", "sorting"), reward_weights=(1.0, 2.0)),
        Config(compare=True, beta=0.3),  # each method of a comparison gets the settings that it has
        Config(compare=True, ablate=("imitation",), method="grpo"),
    ],
)
def test_what_a_run_can_use_passes(config):
    check(config)


def test_a_name_that_is_a_folder_here_is_no_misspelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="did you mean smollm2"):
        check(Config(model_name_or_path="smollm"))
    (tmp_path / "smollm").mkdir()
    check(Config(model_name_or_path="smollm"))
