"""`python -m grao_ref.train` as a user runs it."""

import json
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from grao_ref.runs.log import SINKING
from grao_ref.runs.results import Curve
from grao_ref.settings.config import Config
from grao_ref.settings.flags import parse as parse_flags
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import plan, prepare
from grao_ref.train import main
from grao_ref.training.checkpoint import find_checkpoint, settings_of
from grao_ref.training.loop import proceed, train

FAR_TOO_FAST = "--preset bandit --method grpo --beta 1 --learning-rate 3000 --num-iterations 2"
DIVERGES = [*FAR_TOO_FAST.split(), "--max-steps", "4", "--num-seeds", "5"]


def parse(flags):
    return parse_flags(flags, PRESETS, module="grao_ref.train", description="")


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_bandit_leaves_its_figures_and_improves(tmp_path, capsys):
    folder = tmp_path / "new" / "run"
    assert main(["--preset", "bandit", "--max-steps", "40", "--num-seeds", "50", "--output-dir", str(folder)]) == 0
    rows = rows_of(folder)
    assert [row["step"] for row in rows] == list(range(41))  # the first is before training
    scores = [row["eval_reward"] for row in rows if "eval_reward" in row]
    assert len(scores) == 5
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
    assert "…" not in shown  # nothing is truncated on a narrow terminal
    assert "grao, as printed" in shown
    names = ["sft", "dpo", "ppo", "grpo", "grao, repaired", "grao, as printed"]
    assert [row["run"] for row in rows_of(tmp_path)[::6]] == names


def test_plan_gives_the_language_model_a_run_for_each_seed_and_the_bandit_a_row():
    seeds = [settings.seed for settings in plan(Config(seed=3, num_seeds=2))["grao, repaired"]]
    assert seeds == [3, 4]
    (bandit,) = plan(parse(["--preset", "bandit", "--num-seeds", "7"]))["grao, repaired"]
    assert prepare(bandit).evaluation.score().shape == (7,)
    printed = plan(Config(compare=True))["grao, as printed"][0]
    assert not printed.imitate_only_when_ahead
    betas = {name: runs[0].beta for name, runs in plan(Config(compare=True, method="grpo", beta=0.3)).items()}
    assert {name for name, beta in betas.items() if beta == 0.3} == {"dpo", "ppo", "grpo"}
    assert betas["sft"] is betas["grao, repaired"] is betas["grao, as printed"] is None


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "grpo", "grao"])
def test_every_method_trains_the_language_model(method):
    config = Config(method=method, max_steps=2, per_device_train_batch_size=32, num_iterations=2)
    experiment = prepare(config)
    reports = list(train(experiment.task, experiment.policy, config))
    assert [report.step for report in reports] == [1, 2]
    assert all(torch.isfinite(value).all() for report in reports for value in report.figures.values())
    assert reports[-1].means()["grad_norm"] > 0


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
        (
            ["--preset", "paper", "--dataset-name", "hh-helpfull"],
            "'hh-helpfull' is unknown; did you mean hh-helpful?",
        ),
        (["--model-name-or-path", "smolm2"], "model_name_or_path 'smolm2' is unknown; did you mean smollm2?"),
        (["--model-name-or-path", "gpt2"], "the tiny model knows the sorting task and no other"),
        (["--dataset-name", "bandit"], "the tabular policy and the bandit belong together"),
        (["--num-generations", "5"], "per_device_train_batch_size (128) must be a multiple of num_generations (5)"),
        (["--ablate", "exploration", "--method", "grpo"], "ablate leaves out terms of GRAO, and the method is grpo"),
        (["--ablate", "exploration", "imitation", "alignment"], "leaves out all three terms"),
        (["--ablate", "regulariser"], "regulariser"),
        (["--alignment-coef", "nan"], "alignment_coef must be a finite number >= 0, got nan"),
        (["--beta", "0", "--method", "dpo"], "beta must be a finite number > 0, got 0.0"),
        (["--beta", "0.5"], "beta is the weight of a KL penalty, and grao has none, got 0.5"),  # not GRAO's β
        (["--max-completion-length", "5"], "max_completion_length must be at least 6 on the sorting task"),
        (["--weight-decay", "0.1", "--optimizer", "sgd"], "weight_decay is Adam's, and the optimizer is sgd"),
        (["--reward-weights", "1", "2"], "2 reward_weights for 0 reward_funcs"),
        (["--save-steps", "5", "--num-seeds", "2"], "save_steps and resume_from_checkpoint are for a single run"),
        (["--max-prompt-length", "0"], "max_prompt_length must be a finite number > 0, got 0"),
        (["--preset"], "--preset: expected one argument"),
        (["--seed", "99999999999999999999999"], "seed must be a whole number from 0 to 9999"),
        (["--save-total-limit", "0"], "save_total_limit must be a finite number > 0, got 0"),
    ],
)
def test_bad_flags_are_one_clear_message_and_exit_code_2(flags, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(flags)
    assert exit_.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_preset_is_a_flag_like_the_others_and_an_old_picture_is_not_kept(tmp_path):
    assert parse(["--preset=bandit"]).dataset_name == "bandit"
    assert parse([]).dataset_name == "sorting"
    (tmp_path / "curves.png").touch()
    assert main([*DIVERGES, "--output-dir", str(tmp_path), "--overwrite-output-dir"]) == 1
    assert not (tmp_path / "curves.png").exists()


def refused(arguments, capsys) -> str:
    """The one-line error of a bad command."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_output_folder_that_can_not_be_used_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert "error: " in refused(["--output-dir", tmp_path / "file"], capsys)
    line = refused(["--output-dir", tmp_path], capsys)
    assert line.startswith(f"error: output_dir {tmp_path} is not empty: name another one, or --resume-from-checkpoint")
    assert "is no checkpoint" in refused(["--resume-from-checkpoint", tmp_path], capsys)


def test_the_default_output_folder_is_the_next_free_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["--preset", "bandit", "--max-steps", "2", "--num-seeds", "3"]) == 0
    assert len(rows_of(tmp_path / "runs" / "1")) == len(rows_of(tmp_path / "runs" / "2")) == 3


def test_a_killed_run_loses_at_most_the_steps_since_its_checkpoint_and_says_how_to_go_on(tmp_path):
    """A real process, really killed."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "grao_ref.train", "--save-steps", "2", "--max-steps", "2000"]
    sizes = ["--num-generations", "2", "--per-device-train-batch-size", "2", "--max-eval-prompts", "5"]
    with subprocess.Popen(
        [*command, *sizes, "--output-dir", str(folder)], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (folder / "checkpoint-4").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        message = process.communicate()[1]
    assert process.returncode == 130
    newest = find_checkpoint(folder)
    last = rows_of(folder)[-1]["step"]
    assert last - int(newest.name.split("-")[1]) <= 2
    assert f"To go on from {newest.name}:" in message
    again = shlex.split(message.splitlines()[-1])
    assert again[:3] == ["python", "-m", "grao_ref.train"]
    assert main([*again[3:], "--max-steps", str(last + 1)]) == 0
    assert [row["step"] for row in rows_of(folder)] == list(range(last + 2))


def test_without_checkpoints_an_interrupted_run_says_that_it_is_lost(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("grao_ref.runs.run.proceed", interrupted_after_one_step)
    assert main(["--preset", "bandit", "--num-seeds", "5", "--output-dir", str(tmp_path)]) == 130
    assert len(rows_of(tmp_path)) == 2
    assert "There is no checkpoint yet (--save-steps)" in capsys.readouterr().err


def interrupted_after_one_step(*arguments):
    yield next(proceed(*arguments))
    raise KeyboardInterrupt


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
        ({"dataset_name": "bandit", "model_name_or_path": "tabular"}, "max_grad_norm must be 0 in the bandit"),
        ({"reward_funcs": "exact"}, "reward_funcs must be a tuple, got 'exact'"),
        ({"num_seeds": True}, "num_seeds must be a whole number, got True"),
        ({"learning_rate": "1e-5"}, "learning_rate must be a number, got '1e-5'"),
        ({"output_dir": "runs"}, "output_dir must be a Path, got 'runs'"),
        ({"epsilon": 1.5}, r"epsilon must be a number in \[0, 1\], got 1.5"),
    ],
)
def test_settings_that_no_run_can_use(without_shape_checks, setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**setting)


def test_a_step_that_is_not_finite_is_refused_and_said(tmp_path, capsys):
    assert main([*DIVERGES, "--output-dir", str(tmp_path)]) == 1
    assert "the step was refused" in capsys.readouterr().err


def test_presets_for_use_have_the_repair_and_the_paper_s_is_the_objective_as_printed():
    repaired = {name for name, config in PRESETS.items() if config.imitate_only_when_ahead}
    assert repaired == {"tiny", "bandit", "smollm2"}


def test_the_log_s_first_line_says_which_objective_is_trained(tmp_path, capsys):
    small = ["--max-steps", "1", "--max-eval-prompts", "5", "--per-device-train-batch-size", "8"]
    assert main([*small, "--output-dir", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out.startswith(
        "Method: grao, repaired. The reference is imitated only while it is ahead"
    )
    assert main([*small, "--no-imitate-only-when-ahead", "--output-dir", str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out.startswith("Method: grao, as printed. Once the policy is better")
    assert main([*small, "--method", "sft", "--output-dir", str(tmp_path / "c")]) == 0
    assert capsys.readouterr().out.startswith("Method: sft.")


def test_printed_sinks_its_references_and_is_warned_of_once_and_repaired_does_not(tmp_path, capsys):
    """The alarm of thm-4, on the embedded task."""
    for flag, warned in (("--no-imitate-only-when-ahead", 1), ("--imitate-only-when-ahead", 0)):
        folder = tmp_path / flag
        assert main([flag, "--max-steps", "60", "--max-eval-prompts", "20", "--output-dir", str(folder)]) == 0
        shown = capsys.readouterr().out
        assert shown.count("warning: the references' log-likelihood has sunk") == warned
        assert ("--imitate-only-when-ahead leaves a beaten reference alone" in shown) == bool(warned)
        rows = [row for row in rows_of(folder) if "eval_reward" in row]
        fall = rows[0]["eval_reference/logp_per_token"] - rows[-1]["eval_reference/logp_per_token"]
        assert (fall > SINKING) == bool(warned)


def config_file(tmp_path, text: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return str(path)


def test_a_config_file_beats_the_preset_and_a_flag_beats_the_file(tmp_path):
    file = config_file(tmp_path, "seed: 4\nlearning_rate: 1e-5\nimitate_only_when_ahead: false\nbf16: true\n"
                                 "ablate: [exploration]\nmax_prompt_length: null\nnum-generations: 4\n")  # fmt: skip
    config = parse(["--config", file, "--seed=5"])
    assert (config.seed, config.learning_rate, config.imitate_only_when_ahead) == (5, 1e-5, False)
    assert (config.bf16, config.ablate, config.max_prompt_length, config.num_generations) == (
        True,
        ("exploration",),
        None,
        4,
    )
    assert parse(["--preset", "smollm2", "--config", file]).model_name_or_path == "smollm2"
    assert parse(["--config", file, "--imitate-only-when-ahead"]).imitate_only_when_ahead
    assert parse(["--config", file, "--run-name", "seed"]).seed == 4  # a value is no flag


def test_every_preset_survives_its_own_config_file(tmp_path):
    for name, preset in PRESETS.items():
        file = config_file(tmp_path, yaml.safe_dump(settings_of(preset)))
        assert parse(["--config", file]) == preset, name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed: 4", "has the unknown key 'sed'; did you mean seed?"),
        ("- seed", "must map settings to values, got list"),
        ("seed: [", "can't be read"),
        ("temperature: 0", "temperature must be a finite number > 0"),
        ("seed: many", "many"),
    ],
)
def test_a_bad_config_file_is_one_clear_message_and_exit_code_2(tmp_path, text, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(["--config", config_file(tmp_path, text)])
    assert exit_.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_missing_config_file_is_said(tmp_path, capsys):
    assert "can't be read" in refused(["--config", tmp_path / "none.yaml"], capsys)


def test_a_tracker_that_is_not_installed_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = refused(["--report-to", "trackio", "--output-dir", tmp_path], capsys)
    assert line == "error: report_to trackio needs it installed: pip install 'grao_ref[track]'"


def test_a_run_that_needs_more_memory_than_there_is_says_what_needs_less(tmp_path, capsys, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nand much more")

    monkeypatch.setattr("grao_ref.train.train_all", full)
    assert main(["--output-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "error: CUDA out of memory. Tried to allocate 9 GiB. Less is needed with a smaller" in said
    assert "There is no checkpoint yet" in said
