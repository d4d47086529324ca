"""The driver of the race on the sorting model: its commands are the trainer's, its table is what the record says."""

import json
from pathlib import Path

import pytest

from grao_ref.methods.registry import method_of
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS
from theory.experiments import sorting

STEPS = ("25", "50", "75", "100")


@pytest.mark.parametrize("name", sorting.METHODS)
def test_a_cell_s_command_is_one_of_the_trainer_s(name):
    words = sorting.command(name, "1e-3", 4, Path("a folder"))
    config = parse(words[3:], PRESETS, module="grao_ref.train", description="")
    assert (config.learning_rate, config.seed, config.max_steps, config.output_dir) == (1e-3, 4, 100, Path("a folder"))
    method_of(config.method)


def test_what_was_not_evaluated_counts_as_nothing():
    assert sorting.measure({"0": 9.0, "25": 0.4, "50": 0.8}) == pytest.approx(0.3)


def made(better: str) -> dict[str, dict[str, float]]:
    """A record: every method best at 3e-4, one of them 0.1 ahead at each seed."""
    record = {}
    for name in sorting.METHODS:
        for rate in sorting.RATES:
            for seed in (sorting.TUNING_SEED, *sorting.SEEDS):
                reward = 0.5 + 0.1 * (name == better) + 0.2 * (rate == "3e-4") + 0.01 * seed / 100
                record[sorting._key(name, rate, seed)] = dict.fromkeys(STEPS, reward)
    return record


def test_the_rate_is_the_tuning_seed_s_and_the_table_is_in_order():
    record = made("bar")
    assert set(sorting.best_rates(record).values()) == {"3e-4"}
    first, second = sorting.table(record).splitlines()[2:4]
    assert first.startswith("| bar | 3e-4 | 0.800 ")
    assert first.endswith("| 0.100 ± 0.000 |")
    assert "| 0.000 ± 0.000 |" in second


def test_a_cell_that_is_recorded_is_not_made_again(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sorting, "RECORD", tmp_path / "record.json")
    asked = []

    def rewards_of(cell, home):
        asked.append(cell)
        return {"25": 0.5}

    monkeypatch.setattr(sorting, "rewards_of", rewards_of)
    cells = [("GRPO", "1e-4", 0), ("bar", "1e-4", 0)]
    sorting.filled(cells[:1], tmp_path, 1)
    record = sorting.filled(cells, tmp_path, 1)
    assert asked == cells
    assert record == json.loads((tmp_path / "record.json").read_text())
    assert "bar, rate 1e-4, seed 0 25: 0.500" in capsys.readouterr().out
