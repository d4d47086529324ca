"""`python -m grao_ref.train` as a user meets it."""

import json

import pytest

from grao_ref.config import Config
from grao_ref.train import main


def test_a_run_leaves_its_figures_and_improves(tmp_path, capsys):
    assert main(["--max-steps", "30", "--num-runs", "50", "--output-dir", str(tmp_path / "new" / "run")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "new" / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 31))
    assert rows[-1]["expected_reward"] > rows[0]["expected_reward"] + 0.2
    assert (tmp_path / "new" / "run" / "curves.png").stat().st_size > 10_000
    shown = capsys.readouterr().out
    assert f"{rows[-1]['expected_reward']:.3f}" in shown
    assert "curves.png" in shown.replace("\n", "")


def test_compare_runs_every_method_and_both_gra_os(tmp_path):
    assert main(["--compare", "--max-steps", "5", "--num-runs", "20", "--output-dir", str(tmp_path)]) == 0
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["run"] for row in rows[::5]] == ["sft", "dpo", "ppo", "grpo", "grao", "grao, as printed"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--metod", "grao"], "--method"),  # the nearest name is shown
        (["--method", "grpoo"], "grpoo"),
        (["--temperature", "0"], "temperature must be a finite number > 0, got 0.0"),
        (["--imitation-coef", "-1"], "imitation_coef must be a finite number >= 0, got -1.0"),
        (["--num-generations", "1"], "num_generations must be at least 2, got 1"),
        (["--gae-lambda", "1.5"], "gae_lambda must be a number in [0, 1], got 1.5"),
    ],
)
def test_bad_flags_are_one_clear_message_and_exit_code_2(flags, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(flags)
    assert exit_.value.code == 2
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in printed


@pytest.mark.parametrize(
    "name", ["max_steps", "num_iterations", "gradient_accumulation_steps", "num_runs", "learning_rate"]
)
def test_settings_that_must_be_positive(name):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number > 0, got 0"):
        Config(**{name: 0})
