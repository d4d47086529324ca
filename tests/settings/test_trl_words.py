"""The table of TRL's words."""

from dataclasses import fields

import pytest

from grao_ref.settings.config import Config
from grao_ref.settings.trl_words import ARGUMENTS, INSTEAD, NOT_HERE, ROWS, VALUES, answer, changes_nothing

SETTINGS = {field.name for field in fields(Config)}


def test_a_word_stands_once_and_is_no_setting():
    words = [entry.partition("=")[0] for names in (*INSTEAD, *NOT_HERE.values(), *ARGUMENTS) for entry in names.split()]
    assert len(words) == len(set(words)) == len(ROWS) > 150
    assert not SETTINGS & set(words)
    assert set(VALUES) <= SETTINGS


def test_what_to_write_instead_exists():
    """Each answer that begins with a setting's name and a colon, a comma or the end names one that is there."""
    for text in INSTEAD.values():
        first = text.split(":")[0].split(";")[0].split(",")[0].split(" ")[0]
        assert first in SETTINGS | {"a", "the", "environment"}, text


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("use_vllm", False, True),
        ("use_vllm", True, False),
        ("optim", "adamw_torch", True),
        ("optim", "adamw_8bit", False),
        ("top_p", 1.0, True),
        ("top_p", 0.9, False),
        ("shuffle_dataset", True, True),
        ("shuffle_dataset", False, False),  # off is not what is done here
        ("eval_strategy", False, False),  # as YAML reads `no`
        ("fsdp", "", True),
        ("deepspeed", None, True),
        ("gradient_checkpointing_kwargs", {"use_reentrant": False}, True),
        ("lora_task_type", "CAUSAL_LM", True),
        ("no_such_word", False, False),
    ],
)
def test_a_value_that_changes_nothing(name, value, same):
    assert changes_nothing(name, value) is same


def test_exact_names_come_before_patterns():
    assert answer("wandb_project").startswith("here: the environment variable")
    assert answer("wandb_entity").startswith("not here: ")
    assert answer("hub_token").startswith("here: ")
    assert answer("hub_strategy").startswith("not here: ")
    assert answer("seed") is None
