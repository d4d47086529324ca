"""Settings that a method ignores are named: what it says that it reads is what it reads."""

from dataclasses import fields, replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref.methods.registry import BUILT_IN, METHODS, about_ignored, ignored
from grao_ref.methods.trial import try_out
from grao_ref.runs.finetune import finetune
from grao_ref.runs.plan import plan
from grao_ref.settings.config import Config
from grao_ref.settings.groups.method import MethodGroup
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.tasks.bandit import Bandit
from tests.extensions.luffy import LUFFY
from tests.language import pairs, save_model
from tests.training.bandits import REWARDS

OTHER = {  # a value of each setting that is not its default
    "num_generations": 4, "imitation_coef": 0.1, "alignment_coef": 0.1, "pool": "outputs",
    "imitate_only_when_ahead": False, "ablate": ("imitation",), "temperature": 0.5, "temper_likelihoods": True,
    "sampler": "paged", "num_iterations": 2, "beta": 0.3, "epsilon": 0.1, "loss_type": "dapo", "gae_lambda": 0.5,
    "vf_coef": 0.1,
}  # fmt: skip
REFUSED = {"beta", "ablate"}  # where a method has none
TRAINER_S = {"method", "temperature", "temper_likelihoods", "sampler", "num_iterations"}  # the same for every method


class Watched(Config):
    """Settings that remember which of them were read."""

    def __getattribute__(self, name):
        if name in OTHER:
            READ.add(name)
        return super().__getattribute__(name)


READ: set[str] = set()


def truly_read(method: str) -> set[str]:
    config = Watched(model_name_or_path="tabular", dataset_name="bandit", method=method)
    READ.clear()
    try_out(config, Bandit(REWARDS, 1, 3).draw(torch.Generator()))
    return set(READ)


def test_every_setting_of_the_method_is_tried():
    assert {field.name for field in fields(MethodGroup)} == {"method", *OTHER}
    assert all(OTHER[field.name] != field.default for field in fields(MethodGroup) if field.name in OTHER)


@pytest.mark.parametrize("setting", sorted(OTHER.keys() - REFUSED - TRAINER_S))
@pytest.mark.parametrize("method", BUILT_IN)
def test_a_setting_is_named_where_the_method_does_not_read_it_and_only_there(method, setting):
    config = Config(method=method, **{setting: OTHER[setting]})
    named = ignored(config)
    assert named == (() if setting in truly_read(method) else (setting,))
    line = f"Ignored by {method}, which does not read them: {setting}."
    assert about_ignored(config) == ((line,) if named else ())
    assert ignored(Config(method=method)) == ()  # control: the default is no choice


@pytest.mark.parametrize("method", BUILT_IN)
@pytest.mark.parametrize("setting", sorted(TRAINER_S - {"method"}))
def test_what_the_trainer_reads_for_every_method_is_never_named(method, setting):
    assert ignored(Config(method=method, **{setting: OTHER[setting]})) == ()


def test_several_are_named_in_their_order_and_one_that_a_preset_sets_too():
    line = "Ignored by grpo, which does not read them: imitation_coef, pool."
    assert about_ignored(Config(method="grpo", pool="outputs", imitation_coef=1.0, epsilon=0.1)) == (line,)
    assert ignored(replace(PRESETS["paper"], method="grpo")) == ("imitate_only_when_ahead",)
    assert ignored(PRESETS["paper"]) == ()


def test_a_method_of_a_user_s_own_says_what_it_reads(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", replace(LUFFY, name="mine", reads=("epsilon",)))
    config = Config(method="mine", epsilon=0.1, pool="outputs")
    assert about_ignored(config) == ("Ignored by mine, whose `reads` does not name them: pool.",)


def test_it_is_a_note_of_the_bandit_of_a_model_and_of_finetune(tmp_path):
    line = "Ignored by grpo, which does not read them: pool."
    bandit = replace(PRESETS["bandit"], method="grpo", pool="outputs", num_seeds=2)
    assert prepare(bandit).notes[0] == line
    assert prepare(Config(method="grpo", pool="outputs")).notes[0] == line
    place = save_model(tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(place), AutoTokenizer.from_pretrained(place)
    settings = {"method": "grpo", "num_generations": 2, "max_completion_length": 8}
    run = finetune(model, tokenizer, pairs(), reward_funcs="tests.language.share_of_wanted", pool="outputs", **settings)
    assert run.notes[1] == line
    assert not any("Ignored" in note for note in prepare(Config(pool="outputs")).notes)  # control


def test_a_comparison_gives_each_method_what_it_reads_and_names_nothing():
    settings = {name: value for name, value in OTHER.items() if name not in REFUSED | {"sampler"}}
    for label, (config, *_) in plan(Config(compare=True, per_device_train_batch_size=16, **settings)).items():
        assert ignored(config) == (), label
        assert config.temperature == 0.5
    assert plan(Config(compare=True, epsilon=0.1))["ppo"][0].epsilon == 0.1
    assert plan(Config(compare=True, epsilon=0.1))["sft"][0].epsilon == Config.epsilon
