"""Every field of TRL's configs is a setting here, or has an answer in the table of TRL's words."""

from dataclasses import fields

import pytest
from transformers import TrainingArguments
from trl import DPOConfig, GRPOConfig, KTOConfig, ModelConfig, RewardConfig, RLOOConfig, ScriptArguments, SFTConfig
from trl.scripts.utils import DatasetMixtureConfig

from grao_ref.settings.config import Config
from grao_ref.settings.trl_words import answer, changes_nothing

CLASSES = [
    ScriptArguments, DatasetMixtureConfig, ModelConfig, SFTConfig, DPOConfig, GRPOConfig, RLOOConfig, KTOConfig,
    RewardConfig, TrainingArguments,
]  # fmt: skip
SETTINGS = {field.name for field in fields(Config)}


@pytest.mark.parametrize("config", CLASSES, ids=lambda config: config.__name__)
def test_every_field_is_a_setting_or_has_an_answer(config):
    names = {field.name for field in fields(config)}
    assert len(names) > 2
    assert {name for name in names if name not in SETTINGS and answer(name) is None} == set()


def test_control_a_word_that_trl_has_not_has_no_answer():
    assert answer("use_vlm") is None
    assert "num_generations" in SETTINGS & {field.name for field in fields(GRPOConfig)}


@pytest.mark.parametrize("config", [ModelConfig, ScriptArguments], ids=lambda config: config.__name__)
def test_what_is_off_in_trl_by_default_can_stay_in_a_file(config):
    """A file may spell out TRL's defaults; those of the model and the script ask for nothing that is not here."""
    off = {field.name: field.default for field in fields(config) if field.default in (None, False)}
    assert len(off) > 2
    assert {name for name, value in off.items() if name not in SETTINGS and not changes_nothing(name, value)} == set()
