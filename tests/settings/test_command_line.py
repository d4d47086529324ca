"""Flags as people type them: TRL's spelling, ours, and what is neither."""

import pytest

from grao_ref.settings.flags import parse as parse_flags
from grao_ref.settings.presets import OWN
from tests.command import parse
from tests.command import parse as run_flags

BOOLS = ("bf16", "gradient_checkpointing", "use_peft", "compare", "trust_remote_code", "imitate_only_when_ahead")


@pytest.mark.parametrize("name", BOOLS)
def test_a_flag_of_yes_or_no_is_typed_in_every_usual_way(name):
    dashed = name.replace("_", "-")
    for typed in ([f"--{name}"], [f"--{dashed}"], [f"--{name}", "true"], [f"--{dashed}", "True"], [f"--{name}=yes"]):
        assert getattr(parse(typed), name) is True, typed
    for typed in ([f"--no-{dashed}"], [f"--no_{name}"], [f"--{name}", "false"], [f"--{dashed}", "0"], [f"--{name}=no"]):
        assert getattr(parse(typed), name) is False, typed
    assert getattr(parse([f"--{name}", "--seed", "3"]), name) is True  # the next flag is no value
    assert parse([f"--{name}", "--seed", "3"]).seed == 3


def test_what_may_be_left_open_can_be_set_back_to_that():
    assert parse(["--bf16", "none"]).bf16 is None
    assert parse(["--preset", "paper", "--dataset_test_split", "None"]).dataset_test_split is None
    assert parse(["--preset", "paper"]).dataset_test_split == "test"  # control


def test_trl_s_flags_of_the_case():
    """SkyRL PR 142: what a TRL user types first."""
    typed = "--bf16 true --gradient_checkpointing true --lora_target_modules q_proj,v_proj --warmup_ratio 0.1"
    config = parse(typed.split())
    assert (config.bf16, config.gradient_checkpointing) == (True, True)
    assert (config.lora_target_modules, config.warmup_ratio) == (("q_proj", "v_proj"), 0.1)


def test_dashes_and_underscores_and_equals_signs_are_the_same():
    wanted = parse(["--learning-rate", "1e-5", "--output-dir", "runs/x"])
    assert wanted.learning_rate == 1e-5
    assert parse(["--learning_rate=1e-5", "--output_dir=runs/x"]) == wanted
    assert parse(["--learning-rate=1e-5", "--output-dir=runs/x"]) == wanted
    assert parse(["--learning_rate", "2e-5", "--output_dir", "runs/x"]) != wanted  # control


@pytest.mark.parametrize(
    "typed",
    [
        ["--report_to", "tensorboard,wandb"],
        ["--report_to", "tensorboard", "wandb"],
        ["--report-to", "tensorboard", "--report-to", "wandb"],
        ["--report_to=tensorboard,wandb"],
        ["--report_to", "tensorboard,", "wandb"],
    ],
)
def test_several_values_stand_behind_a_flag_or_between_commas_or_behind_the_flag_again(typed):
    assert parse(typed).report_to == ("tensorboard", "wandb")
    assert parse([*typed, "--seed", "2"]).seed == 2


def test_numbers_with_commas_and_a_list_that_is_emptied(tmp_path):
    assert parse(["--reward-weights", "1,0.5"]).reward_weights == (1.0, 0.5)
    file = tmp_path / "some.yaml"
    file.write_text("reward_funcs: [exact]")
    assert parse(["--config", str(file)]).reward_funcs == ("exact",)
    assert parse(["--config", str(file), "--reward_funcs"]).reward_funcs == ()


def test_a_comma_in_a_folder_s_name_separates_nothing(tmp_path):
    folder = tmp_path / "head,2"
    assert parse(["--reward-funcs", str(folder)]).reward_funcs == tuple(str(folder).split(","))  # control: not there
    folder.mkdir()
    assert parse(["--reward-funcs", str(folder)]).reward_funcs == (str(folder),)


def test_a_mapping_is_json_on_the_command_line_and_a_mapping_in_yaml(tmp_path):
    file = tmp_path / "some.yaml"
    file.write_text("lr_scheduler_kwargs:\n  min_lr_rate: 0.1\n")
    typed = parse(["--lr_scheduler_kwargs", '{"min_lr_rate": 0.1}'])
    assert typed.lr_scheduler_kwargs == {"min_lr_rate": 0.1}
    assert typed == parse(["--config", str(file)])
    assert parse(["--config", str(file), "--lr_scheduler_kwargs", "none"]).lr_scheduler_kwargs is None


def test_negative_numbers_are_values_and_the_last_one_counts(capsys):
    with pytest.raises(SystemExit):
        parse(["--imitation-coef", "-1"])
    assert "got -1.0" in capsys.readouterr().err
    assert parse(["--seed", "1", "--seed", "2"]).seed == 2


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--bf16=maybe"], "bf16 must be true or false, got 'maybe'"),
        (["--bf16", "maybe"], "'maybe' belongs to no flag"),
        (["--seed"], "--seed needs a value behind it"),
        (["--seed", "--bf16"], "--seed needs a value behind it"),
        (["--seed", "3", "4"], "'4' belongs to no flag"),
        (["--seed", "many"], "seed must be a whole number, got 'many'"),
        (["--learning_rate", "fast"], "learning_rate must be a number, got 'fast'"),
        (["--lr_scheduler_kwargs", "min_lr=0.1"], "lr_scheduler_kwargs must be a mapping from names to values"),
        (["--lr_scheduler_kwargs", "[1]"], "lr_scheduler_kwargs must be a mapping from names to values"),
        (["seed=3"], "'seed=3' belongs to no flag"),
        (["-seed", "3"], "no flag -seed; did you mean --seed?"),
        (["--no-seed"], "no flag --no-seed"),
        (["--config"], "--config needs a value behind it"),
        (["--dtype", "bf16"], "dtype must be one of float32, bfloat16, float16, auto; got 'bf16'"),
    ],
)
def test_what_is_no_flag_is_one_line_and_exit_code_2(without_shape_checks, typed, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(typed)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_typed_max_steps_beats_the_epochs_of_the_file_and_of_the_preset(tmp_path):
    (tmp_path / "config.yaml").write_text("num_train_epochs: 3\nmax_steps: 12\n")
    file = ["--config", str(tmp_path / "config.yaml")]
    typed = run_flags([*file, "--max-steps", "20"])
    assert (typed.max_steps, typed.num_train_epochs) == (20, None)
    both = run_flags([*file, "--max-steps", "20", "--num-train-epochs", "2"])
    assert (both.max_steps, both.num_train_epochs) == (20, 2)
    assert run_flags(file).num_train_epochs == 3  # control: nothing was typed
    assert OWN.num_train_epochs == 1  # of a preset, read from its own file
    presets = {"own": OWN}
    assert parse_flags([], presets, module="", description="").num_train_epochs == 1
    assert parse_flags(["--max-steps", "20"], presets, module="", description="").num_train_epochs is None
