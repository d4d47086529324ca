"""`num_train_epochs`: the steps follow from the rows, and everything else from the steps."""

import pytest
import torch
import yaml

from grao_ref.settings.config import Config
from grao_ref.setups import prepare, with_steps
from grao_ref.train import main
from tests.command import refused, rows_of
from tests.language import pairs, save_model, save_rows

SMALL = ["--num-generations", "4", "--per-device-train-batch-size", "16", "--max-eval-prompts", "4"]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A model and 40 rows, of which 36 are trained on."""
    folder = tmp_path_factory.mktemp("inputs")
    data = save_rows(folder / "pairs.jsonl", pairs())
    flags = ["--model-name-or-path", save_model(folder / "model"), "--dataset-name", data]
    return [*flags, "--reward-funcs", "tests.language.share_of_wanted", *SMALL]


def config_of(names, **more) -> Config:
    words = {
        flag.removeprefix("--").replace("-", "_"): value for flag, value in zip(names[::2], names[1::2], strict=True)
    }
    numbers = {name: int(value) for name, value in words.items() if value.isdigit()}
    return Config(**(words | numbers | {"reward_funcs": (words["reward_funcs"],)} | more))


@pytest.mark.parametrize(
    ("epochs", "rows", "settings", "steps"),
    [
        (1.0, 36, {}, 9),  # 16 answers a step, in groups of 4
        (1.0, 36, {"gradient_accumulation_steps": 2}, 5),  # the last step begins the next pass
        (0.5, 36, {}, 5),
        (3.0, 36, {"method": "sft"}, 7),  # 16 rows a step
        (1.1, 40, {}, 11),  # 11.000000000000002 in floats
        (0.001, 36, {}, 1),
    ],
)
def test_the_steps_are_the_passes_times_the_rows_over_the_prompts_of_a_step(epochs, rows, settings, steps):
    config = Config(per_device_train_batch_size=16, num_generations=4, num_train_epochs=epochs, **settings)
    assert with_steps(config, rows).max_steps == steps


def test_without_epochs_max_steps_counts():
    assert with_steps(Config(max_steps=7), 36).max_steps == 7


def test_one_pass_sees_every_row_once_and_the_rates_end_with_it(names, tmp_path, capsys):
    flags = ["--num-train-epochs", "1", "--lr_scheduler_type", "linear", "--learning-rate", "0.01", "--max-steps", "3"]
    assert main([*names, *flags, "--output-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "1 epochs are 9 steps" in shown
    assert "step 9/9" in shown
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == list(range(10))  # max_steps is ignored
    assert [row["learning_rate"] for row in rows[1:]] == pytest.approx([0.01 * (9 - n) / 9 for n in range(9)])
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["max_steps"] == 9
    setup = prepare(config_of(names, num_train_epochs=1.0))
    assert setup.config.max_steps == 9
    seen = torch.cat([setup.task.draw(torch.Generator(), step + 1).rows for step in range(9)])
    assert sorted(seen.tolist()) == list(range(36))


def test_a_run_of_epochs_is_resumed_for_as_many_and_with_a_schedule_for_no_others(names, tmp_path, capsys):
    flags = ["--num-train-epochs", "0.5", "--save-steps", "2", "--save-total-limit", "none"]
    flags += ["--lr_scheduler_type", "cosine"]
    assert main([*names, *flags, "--output-dir", str(tmp_path / "whole")]) == 0
    whole = rows_of(tmp_path / "whole")
    resume = ["--config", tmp_path / "whole" / "config.yaml"]
    resume += ["--resume-from-checkpoint", tmp_path / "whole" / "checkpoint-2"]
    assert main([*map(str, resume), "--output-dir", str(tmp_path / "again")]) == 0
    again = rows_of(tmp_path / "again")
    assert [(row["step"], row.get("learning_rate"), row.get("loss")) for row in again] == [
        (row["step"], row.get("learning_rate"), row.get("loss")) for row in whole
    ]
    capsys.readouterr()
    line = refused(main, [*resume, "--num-train-epochs", "1", "--output-dir", tmp_path / "other"], capsys)
    assert "num_train_epochs was 0.5 and is 1.0; the schedule of the learning rate depends" in line


def test_the_bandit_has_no_rows_to_pass_through(tmp_path, capsys):
    line = refused(main, ["--preset", "bandit", "--num-train-epochs", "1", "--output-dir", tmp_path / "run"], capsys)
    assert line == "error: num_train_epochs counts passes through rows, and the bandit has none: set max_steps"
    assert not (tmp_path / "run").exists()
