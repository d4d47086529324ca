"""`python -m grao_ref.train` as a user meets it."""

import json

import pytest
import torch

from grao_ref.config import Config
from grao_ref.experiment import plan, prepare, run
from grao_ref.presets import PRESETS
from grao_ref.results import Curve
from grao_ref.train import main, parse

FAR_TOO_FAST = "--preset bandit --method grpo --beta 1 --learning-rate 3000 --num-iterations 2"
DIVERGES = [*FAR_TOO_FAST.split(), "--max-steps", "4", "--num-seeds", "5"]


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_bandit_leaves_its_figures_and_improves(tmp_path, capsys):
    folder = tmp_path / "new" / "run"
    assert main(["--preset", "bandit", "--max-steps", "40", "--num-seeds", "50", "--output-dir", str(folder)]) == 0
    rows = rows_of(folder)
    assert [row["step"] for row in rows] == list(range(1, 41))
    scores = [row["eval_reward"] for row in rows if "eval_reward" in row]
    assert len(scores) == 4
    assert scores[-1] > scores[0] + 0.2
    assert (folder / "curves.png").stat().st_size > 10_000
    shown = capsys.readouterr().out
    assert f"{scores[-1]:.3f}" in shown
    assert "references: 0.700" in shown


def test_the_language_model_learns_to_sort_and_shows_answers(tmp_path, capsys):
    assert main(["--max-steps", "30", "--output-dir", str(tmp_path)]) == 0
    scores = [row["eval_reward"] for row in rows_of(tmp_path) if "eval_reward" in row]
    assert scores[-1] > 0.6  # from 0.37, in 30 steps
    shown = capsys.readouterr().out
    assert "greedy answers of grao, repaired, seed 0" in shown


def test_compare_runs_every_method_and_both_objectives_of_grao(tmp_path, capsys, monkeypatch):
    flags = ["--preset", "bandit", "--compare", "--max-steps", "5", "--num-seeds", "20"]
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*flags, "--output-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown  # nothing is cut off on a narrow terminal
    assert "grao, as printed" in shown
    names = ["sft", "dpo", "ppo", "grpo", "grao, repaired", "grao, as printed"]
    assert [row["run"] for row in rows_of(tmp_path)[::5]] == names


def test_plan_gives_the_language_model_a_run_for_each_seed_and_the_bandit_a_row():
    seeds = [settings.seed for settings in plan(Config(seed=3, num_seeds=2))["grao, repaired"]]
    assert seeds == [3, 4]
    (bandit,) = plan(parse(["--preset", "bandit", "--num-seeds", "7"]))["grao, repaired"]
    assert prepare(bandit).score().shape == (7,)
    printed = plan(Config(compare=True))["grao, as printed"][0]
    assert not printed.imitate_only_when_ahead


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "grpo", "grao"])
def test_every_method_trains_the_language_model(method):
    experiment = prepare(Config(method=method, max_steps=2, per_device_train_batch_size=4, num_iterations=2))
    progress = list(run(experiment))
    assert [now.report.step for now in progress] == [1, 2]
    assert progress[-1].score is not None
    assert all(torch.isfinite(value).all() for now in progress for value in now.report.figures.values())
    assert progress[-1].report.means()["grad_norm"] > 0


def test_an_interval_needs_several_runs():
    assert Curve([0], torch.tensor([[0.5]])).at(0) == "0.500"
    assert (
        Curve([0, 1], torch.tensor([[0.0, 0.0], [0.0, 1.0]])).at(1) == "0.500 ± 6.353"
    )  # Student with one degree of freedom


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--metod", "grao"], "--method"),  # the nearest name is shown
        (["--method", "grpoo"], "grpoo"),
        (["--temperature", "0"], "temperature must be a finite number > 0, got 0.0"),
        (["--imitation-coef", "-1"], "imitation_coef must be a finite number >= 0, got -1.0"),
        (["--num-generations", "1"], "num_generations must be at least 2, got 1"),
        (["--gae-lambda", "1.5"], "gae_lambda must be a number in [0, 1], got 1.5"),
        (["--preset", "paperr"], "invalid choice: 'paperr' (choose from"),
        (["--preset"], "--preset: expected one argument"),
        (["--seed", "99999999999999999999999"], "seed must be a whole number from 0 to 9999"),
    ],
)
def test_bad_flags_are_one_clear_message_and_exit_code_2(flags, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(flags)
    assert exit_.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_preset_is_a_flag_like_the_others_and_an_old_picture_is_not_kept(tmp_path):
    assert parse(["--preset=bandit"]).task == "bandit"
    assert parse([]).task == "sorting"
    (tmp_path / "curves.png").touch()
    assert main([*DIVERGES, "--output-dir", str(tmp_path)]) == 1
    assert not (tmp_path / "curves.png").exists()


def test_an_output_folder_that_is_a_file_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["--output-dir", str(tmp_path / "file")]) == 2
    assert "error: output_dir can't be written" in capsys.readouterr().err


def test_an_interrupted_run_keeps_its_figures_and_says_so(tmp_path, capsys, monkeypatch):
    def interrupted(experiment):
        yield next(iter(run(experiment)))
        raise KeyboardInterrupt

    monkeypatch.setattr("grao_ref.train.run", interrupted)
    assert main(["--preset", "bandit", "--num-seeds", "5", "--output-dir", str(tmp_path)]) == 130
    assert len(rows_of(tmp_path)) == 1
    assert "interrupted; the figures so far are in" in capsys.readouterr().err


POSITIVE = ("max_steps", "eval_steps", "num_iterations", "gradient_accumulation_steps", "num_seeds", "learning_rate")


@pytest.mark.parametrize("name", POSITIVE)
def test_settings_that_must_be_positive(name):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number > 0, got 0"):
        Config(**{name: 0})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"optimizer": "adamw"}, "optimizer must be one of sgd, adam; got 'adamw'"),
        ({"pool": "all"}, "pool must be one of with_reference, outputs; got 'all'"),
        ({"max_steps": 2.5}, "max_steps must be a whole number, got 2.5"),
        ({"task": "bandit"}, "max_grad_norm must be 0 in the bandit"),
        ({"epsilon": 1.5}, r"epsilon must be a number in \[0, 1\], got 1.5"),
    ],
)
def test_settings_that_no_run_can_use(without_shape_checks, setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**setting)


def test_a_step_that_is_not_finite_is_refused_and_said(tmp_path, capsys):
    assert main([*DIVERGES, "--output-dir", str(tmp_path)]) == 1
    assert "the step was refused" in capsys.readouterr().err


def test_presets_for_use_have_the_repair():
    assert all(config.imitate_only_when_ahead for config in PRESETS.values())
