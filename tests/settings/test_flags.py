"""The command line and config files. Precedence: preset < YAML file < flags."""

import pytest
import yaml

from grao_ref.settings.config import settings_of
from grao_ref.settings.presets import PRESETS
from tests.command import parse


def config_file(tmp_path, text: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return str(path)


def test_a_preset_is_a_flag_like_the_others():
    assert parse(["--preset=bandit"]).dataset_name == "bandit"
    assert parse(["--seed", "3", "--preset", "bandit"]).dataset_name == "bandit"
    assert parse([]).dataset_name == "sorting"


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
    assert parse(["--preset", "smollm2", "--config", file]).learning_rate == 1e-5
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
        ("temperature: 0", "{file}: temperature must be a finite number > 0, got 0"),
        ("seed: many", "{file}: seed must be a whole number, got 'many'"),
        ("learning_rate: fast", "{file}: learning_rate must be a number, got 'fast'"),
        ("pool: all", "{file}: pool must be one of with_reference, outputs; got 'all'"),
        ("compare: 'yes'", "{file}: compare must be true or false, got 'yes'"),
    ],
)
def test_a_bad_config_file_is_one_line_that_names_it_and_exit_code_2(
    without_shape_checks, tmp_path, text, message, capsys
):
    file = config_file(tmp_path, text)
    with pytest.raises(SystemExit) as exit_:
        parse(["--config", file])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: config {file}")
    assert message.format(file=file) in line


def test_a_missing_config_file_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(["--config", str(tmp_path / "none.yaml")])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.yaml can't be read" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--metod", "grao"], "error: no flag --metod; did you mean --method?"),
        (["--temperature", "0"], "temperature must be a finite number > 0, got 0.0"),
        (["--imitation-coef", "-1"], "imitation_coef must be a finite number >= 0, got -1.0"),
        (["--num-generations", "1"], "num_generations must be at least 2, got 1"),
        (["--gae-lambda", "1.5"], "gae_lambda must be a number in [0, 1], got 1.5"),
        (["--alignment-coef", "nan"], "alignment_coef must be a finite number >= 0, got nan"),
        (["--max-prompt-length", "0"], "max_prompt_length must be a finite number > 0, got 0"),
        (["--save-total-limit", "0"], "save_total_limit must be a finite number > 0, got 0"),
        (["--ablate", "regulariser"], "regulariser"),
        (["--preset", "paperr"], "error: unknown preset 'paperr'; did you mean paper?"),
        (["--preset"], "--preset needs a value behind it"),
    ],
)
def test_bad_flags_are_one_line_and_exit_code_2(without_shape_checks, flags, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(flags)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_null_in_a_config_file_takes_away_what_the_preset_sets(tmp_path):
    file = config_file(tmp_path, "dataset_test_split: null\nsave_total_limit: null\n")
    assert parse(["--preset", "paper"]).dataset_test_split == "test"  # control
    config = parse(["--preset", "paper", "--config", file])
    assert (config.dataset_test_split, config.save_total_limit) == (None, None)


HOMES = {
    "dataset_name": "{}/rows.jsonl", "dataset_test_name": "{}/rows.jsonl", "model_name_or_path": "{}/model",
    "chat_template_path": "{}/template.jinja", "output_dir": "{}/run", "resume_from_checkpoint": "{}/run/checkpoint-3",
    "judge_cache": "{}/judge.jsonl", "reward_funcs": ("{}/head",),
}  # fmt: skip


@pytest.mark.parametrize("setting", HOMES)
def test_the_home_folder_is_expanded_where_no_shell_did_it(setting, tmp_path, monkeypatch):
    """In a file, and behind `=`: a shell expands a word that begins with the sign, and no other."""
    monkeypatch.setenv("HOME", "/home/me")
    value = HOMES[setting]
    typed, wanted = (
        (value[0].format("~"), (value[0].format("/home/me"),))
        if isinstance(value, tuple)
        else (value.format("~"), value.format("/home/me"))
    )
    (tmp_path / "config.yaml").write_text(f'{setting}: "{typed}"\n')
    of_file = parse(["--config", str(tmp_path / "config.yaml")])
    of_flag = parse([f"--{setting}={typed}"])
    for config in (of_file, of_flag):
        found = getattr(config, setting)
        assert (found if isinstance(found, tuple) else str(found)) == wanted
    other = parse(["--system_prompt=~ about", "--output_dir=~nobody-here/x"])
    assert (other.system_prompt, str(other.output_dir)) == ("~ about", "~nobody-here/x")  # control


@pytest.mark.parametrize("text", ["[" * 1500, "seed: " + "1" * 5000, "run_name: 2001-99-99"])
def test_a_file_that_yaml_can_not_hold_is_one_error(text, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(SystemExit) as end:
        parse(["--config", str(tmp_path / "config.yaml")])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: config {tmp_path}/config.yaml can't be read: ")
    assert error.count("\n") == 1
