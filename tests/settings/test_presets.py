"""Presets are settings to start from."""

from grao_ref.methods.registry import prompts_per_step
from grao_ref.settings.presets import PRESETS
from tests.command import parse


def test_presets_for_use_have_the_repair_and_the_paper_s_is_the_objective_as_printed():
    repaired = {name for name, config in PRESETS.items() if config.imitate_only_when_ahead}
    assert repaired == {"tiny", "bandit", "smollm2"}
    assert set(PRESETS) - repaired == {"paper"}


def test_the_first_preset_is_the_default():
    assert parse([]) == PRESETS["tiny"]


def test_the_paper_s_batch_is_64_prompts_of_8_samples():
    paper = PRESETS["paper"]
    assert (prompts_per_step(paper), paper.num_generations) == (64, 8)
    assert (paper.imitation_coef, paper.alignment_coef, paper.temperature) == (0.5, 0.6, 0.7)
