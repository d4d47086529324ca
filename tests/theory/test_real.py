"""Tables of a real model's runs: which runs they hold, on which machine each was made, and what is compared."""

import re

import pytest

from grao_ref.settings.presets import PRESETS
from theory.experiments.plan import table_of
from theory.experiments.real import measured
from theory.experiments.report import section
from theory.experiments.sums import alone, correct, rows

CARD = {"card": "a card", "torch": "2", "transformers": "5"}


def line(table, method, seed, gain, machine=CARD, name="rloo (run)"):
    """A run that gains as much with each evaluation."""
    after = {key: [gain, gain - 0.1, gain + 0.1] for key in ("reward", "KL", "length")} | {"RAS": [0.0, 0.0, 0.0]}
    curve = {
        str(step): {table.measure: gain * at, "eval_refusals": 0.1 * at} for at, step in enumerate((0, *table.steps))
    }
    about = {"task": "harmless", "method": method, "rate": "1e-5", "seed": seed, "seconds": 1800.0}
    return about | {"curve": curve, "evaluation": {"base": dict.fromkeys(after, [0.0] * 3), name: after}} | machine


@pytest.fixture
def table():
    return table_of("harmless")


def test_runs_are_compared_seed_by_seed_on_one_machine(table):
    lines = [
        line(table, "GRPO", 0, 0.1),
        line(table, "GRPO", 1, 0.2),
        line(table, "RLOO", 1, 0.5),
        line(table, "RLOO", 0, 0.2),
        line(table, "RLOO", 2, 9.0),  # its partner is missing
        line(table, "SFT", 0, 0.4, machine={}),  # its partner ran on a card
    ]
    where, _, by_measure, by_all = measured(table, lines)
    assert "6 of 36 runs are made: 5 on a card (bfloat16 autocast, torch 2, transformers 5); 1 on a CPU" in where
    assert "Together 3.0 hours of training" in where
    assert "| GRPO | 0, 1 | 0.00, 0.00 | 0.10, 0.20 | 0.20, 0.40 | 0.30, 0.60 |  |" in by_measure
    assert "| RLOO | 0, 1, 2 | " in by_measure
    assert by_measure.splitlines()[-2].endswith("| +0.20, +0.60 |")  # twice the difference: the mean of 1, 2, 3
    assert by_measure.splitlines()[-1].endswith("|  |")
    assert "RAS" not in by_all  # 0 for all
    assert "| SFT | 1 | 0.400 [0.300, 0.500] |" in by_all
    assert "| GRPO | 2 | 0.150 |" in by_all


def test_a_measure_that_only_some_runs_have_is_left_out(table):
    lines = [line(table, "GRPO", 0, 0.1), line(table, "RLOO", 0, 0.1)]
    assert "refusals" in measured(table, lines)[-1]
    del lines[1]["curve"]["0"]["eval_refusals"]
    assert "refusals" not in measured(table, lines)[-1]


def test_the_report_has_a_command_for_each_run(table, tmp_path):
    text = section(table, [line(table, "GRPO", 0, 0.1)], tmp_path)
    assert text.startswith(f"## {table.title}")
    commands = (tmp_path / "commands" / "harmless.md").read_text()
    assert commands.count("grao_ref.evaluate") == len(table.entrants) * table.seeds[1] == 36
    assert commands.count("--seed 2 ") == len(table.entrants)


def test_sums_are_asked_once_each_and_none_of_those_held_out_is_trained_on():
    train, test = rows()
    asked = [row["prompt"][0]["content"] for row in train + test]
    assert len(asked) == len(set(asked)) == 400
    assert (len(train), len(test)) == (300, 100)
    logged = {}
    for row in train:
        answer = row["completion"][0]["content"]
        assert correct([row["completion"]], [row["answer"]]) == [1.0]
        assert alone([f" {answer}\n", f"It is {answer}"], logged.__setitem__) == [1.0, 0.0]
    assert logged == {"number_alone": 0.5}


def test_most_held_out_sums_are_trained_on_in_the_other_order():
    train, test = (
        [tuple(map(int, re.findall(r"\d+", row["prompt"][0]["content"]))) for row in part] for part in rows()
    )
    assert sum((other, one) in train for one, other in test) == 71  # as sums.py and sums.toml say


@pytest.mark.parametrize("name", ["harmless", "helpful", "sums"])
def test_what_is_not_equal_between_the_methods_is_what_the_report_says(name):
    table, preset = table_of(name), PRESETS["smollm2"]
    assert "--preset smollm2" in table.flags
    assert table.seeds == (0, 3)
    assert preset.per_device_train_batch_size == 16
    assert preset.per_device_train_batch_size // preset.num_generations == 4
    batches = {method: each.flags for method, each in table.entrants.items() if "batch" in each.flags}
    assert batches == {"SFT": "--method sft --per-device-train-batch-size 16"}
    first = {method: each.first for method, each in table.entrants.items() if each.first}
    assert first == {"SFT 10, then GRPO": "--method sft --max-steps 10 --eval-steps 10"}
