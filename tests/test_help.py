"""`--help` of every command, and errors before any work: groups, 80 columns, whole sentences, no torch, no boxes."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import grao_ref.evaluate
import grao_ref.reward_head
import grao_ref.train
from grao_ref.settings.config import Config
from grao_ref.settings.evaluation import DEFAULT
from grao_ref.settings.head import HeadSettings
from grao_ref.settings.help import groups, sentences, values_of
from grao_ref.settings.kinds import kinds_of

COMMANDS = {
    "train": (grao_ref.train.main, Config),
    "evaluate": (grao_ref.evaluate.main, type(DEFAULT)),
    "reward_head": (grao_ref.reward_head.main, HeadSettings),
}


def help_of(name: str, capsys, *more: str) -> str:
    main, _ = COMMANDS[name]
    with pytest.raises(SystemExit) as exit_:
        main([*more, "--help"])
    assert exit_.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_stands_once_in_a_group_with_its_whole_sentence(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # wider than the help ever is
    text = help_of(name, capsys)
    assert max(map(len, text.splitlines())) <= 80
    _, settings = COMMANDS[name]
    joined = " ".join(text.split())
    for field, told in sentences(settings).items():
        flag = field.upper() if f" {field.upper()} ... [FLAGS]" in text else "--" + field.replace("_", "-")
        assert len(re.findall(rf"^  {flag}(?: |$)", text, flags=re.MULTILINE)) == 1, field
        assert told in joined, field
        assert told.endswith("."), f"{field}: a sentence ends with a full stop"
    assert set(sentences(settings)) == {field.name for field in fields(settings)}
    assert [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")] == [
        f"{title}:" for title in groups(settings)
    ]
    assert not set(text) & set("╭│╰")


def test_the_groups_of_train_are_those_of_the_files(capsys):
    titles = list(groups(Config))
    assert [title.split()[1].strip(",") if title.startswith("The") else title.split()[0] for title in titles] == [
        "model", "Data", "method", "steps", "machine", "judge", "run",
    ]  # fmt: skip
    assert sum(map(len, groups(Config).values())) == len(fields(Config))
    lines = help_of("train", capsys).splitlines()
    assert lines.index("The model:") < lines.index("The method:") < lines.index("The run:")


def test_a_narrow_terminal_gets_narrow_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = help_of("train", capsys)
    assert max(len(line) for line in text.splitlines() if line.startswith("      ")) <= 60


def test_defaults_are_those_of_the_preset(capsys):
    assert "(default: sorting)" in help_of("train", capsys)
    assert "(default: bandit)" in help_of("train", capsys, "--preset", "bandit")


def test_what_stands_behind_a_flag_is_said_for_every_kind():
    shown = {name: values_of(kind) for name, kind in kinds_of(Config).items()}
    assert (shown["seed"], shown["learning_rate"], shown["output_dir"]) == ("INT", "NUMBER", "PATH")
    assert (shown["bf16"], shown["report_to"]) == ("[true|false]", "TEXT ...")
    assert (shown["optimizer"], shown["lr_scheduler_kwargs"]) == ("{sgd,adam}", "JSON")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_is_there_at_once_because_it_imports_no_torch(name, tmp_path):
    code = (
        "import sys\nfrom importlib import import_module\n"
        f"main = import_module('grao_ref.{name}').main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    print(end.code, file=sys.stderr)\n"
        "heavy = {'torch', 'transformers', 'numpy', 'scipy', 'rich', 'matplotlib', 'datasets'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr.splitlines() == ["0", "[]"]
    assert done.stdout.startswith(f"usage: python -m grao_ref.{name}")
    command = f"grao_ref.runs.{name.removeprefix('reward_')}_command"
    absent = f"import sys\nsys.modules['torch'] = None\nimport {command}\n"  # an import of torch is an error there
    control = subprocess.run([sys.executable, "-c", absent], capture_output=True, text=True, env=environment)
    assert control.returncode == 1
    assert control.stderr.splitlines()[-1].startswith("ModuleNotFoundError: import of torch halted")


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("train", ["--metod", "grpo"], "error: no flag --metod; did you mean --method?"),
        ("evaluate", ["runs/1", "--resmples", "3"], "error: no flag --resmples; did you mean --resamples?"),
        ("evaluate", [], "error: name at least one run's folder, such as runs/1"),
        ("evaluate", ["runs/1", "--resamples", "0"], "error: resamples must be a finite number > 0, got 0"),
        ("reward_head", ["--heldout", "0.5"], "error: no flag --heldout; did you mean --held-out?"),
        ("reward_head", ["--held-out", "1"], "error: held_out must be a share between 0 and 1, got 1.0"),
        ("reward_head", ["--l2", "0"], "error: l2 must be a finite number > 0, got 0.0"),
        ("reward_head", ["--seed", "-1"], "error: seed must be a finite number >= 0, got -1"),
        ("reward_head", ["hh-harmless"], "error: 'hh-harmless' belongs to no flag: flags begin with two dashes"),
    ],
)
def test_errors_are_one_line_and_exit_code_2_in_every_command(name, typed, message, capsys):
    main, _ = COMMANDS[name]
    try:
        code = main(typed)
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(message)


@pytest.mark.parametrize("name", COMMANDS)
def test_several_misspelt_flags_are_listed_together_in_every_command(name, capsys):
    main, _ = COMMANDS[name]
    with pytest.raises(SystemExit) as exit_:
        main(["--outputdir", "x", "--zzz"])
    assert exit_.value.code == 2
    head, first, second = capsys.readouterr().err.splitlines()
    assert head == "error: the command line has 2 names that are no settings here:"
    assert first == "  --outputdir: did you mean --output-dir?"
    assert second == "  --zzz: no setting is like it (--help lists all)"
