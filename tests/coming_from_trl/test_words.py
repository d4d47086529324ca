"""TRL's names in the tables of `settings/trl_words.py`: refused together with the said words, or harmless."""

import json

import pytest
import yaml

from grao_ref.settings import trl_words
from grao_ref.settings.presets import PRESETS
from tests.coming_from_trl.page import scripts_of
from tests.command import parse

TABLES = {
    **{names: f"here: {text}" for names, text in trl_words.INSTEAD.items()},
    **{names: f"not here: {why}" for why, names in trl_words.NOT_HERE.items()},
}
row = scripts_of("VALUES")


def concrete(entry: str) -> tuple[str, list[str]]:
    """A name, for a pattern one that fits it, and its harmless values."""
    name, equals, values = entry.partition("=")
    return name.replace("*", "some_") if name != "*" else name, values.split("|") if equals else list(trl_words.OFF)


def refused(arguments, capsys) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        parse(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


@pytest.mark.parametrize("names", TABLES, ids=lambda names: names.split()[0].partition("=")[0])
def test_all_names_of_a_row_are_refused_in_one_answer_with_its_words(names, capsys, tmp_path):
    """As flags, and as keys of a file. A name whose every value is harmless is refused by none."""
    wanted = [name for name, values in map(concrete, names.split()) if values != ["*"]]
    if not wanted:
        assert names == "cast_lm_head_to_fp32=*"  # the one row of which every value may stay
        return
    file = tmp_path / "trl.yaml"
    file.write_text(yaml.safe_dump(dict.fromkeys(wanted, 7.5), sort_keys=False))
    for arguments in ([word for name in wanted for word in (f"--{name}", "7.5")], ["--config", str(file)]):
        lines = refused(arguments, capsys)
        assert len(lines) == (1 if len(wanted) == 1 else 1 + len(wanted))
        for line, name in zip(lines[-len(wanted) :], wanted, strict=True):
            assert name in line
            assert line.endswith(TABLES[names])


@pytest.mark.parametrize("names", TABLES, ids=lambda names: names.split()[0].partition("=")[0])
def test_values_that_ask_for_what_is_done_anyway_may_stay(names, capsys, tmp_path):
    file = tmp_path / "trl.yaml"
    for name, values in map(concrete, names.split()):
        for value in values:
            value = "anything" if value == "*" else value
            file.write_text(json.dumps({name: value, "learning_rate": 1e-5}))
            assert parse(["--config", str(file)]) == parse(["--learning-rate", "1e-5"])
            (line,) = capsys.readouterr().err.splitlines()
            assert line == f"note: {name}: left out, since that is what is done here anyway"


def test_a_whole_file_of_trl_s_is_answered_at_once(capsys, tmp_path):
    """A name of every row, two settings that are here, and a misspelt one."""
    names = [concrete(names.split()[0])[0] for names in TABLES]
    keys = dict.fromkeys(names, 7.5) | {"seed": 3, "max_steps": 2, "learnin_rate": 1e-5}
    file = tmp_path / "trl.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False))
    head, *lines = refused(["--config", str(file)], capsys)
    assert head == f"error: config {file} has {len(names) + 1} names that are no settings here:"
    assert [line.split(":")[0].strip() for line in lines] == [*names, "learnin_rate"]
    assert "  learnin_rate: did you mean learning_rate?" in lines


TRIED = {  # setting -> TRL's value, and what the row says to do instead
    "max_steps": ("-1", {"num_train_epochs": 2.0}),
    "loss_type": ("bnpo", {}),
    "lr_scheduler_type": ("reduce_lr_on_plateau", {"lr_scheduler_type": "cosine"}),
    "warmup_steps": ("0.1", {"warmup_ratio": 0.1}),
    "eval_steps": ("0.1", {"eval_steps": 20}),
    "save_steps": ("0.5", {"save_steps": 0}),
    "logging_steps": ("0.1", {"logging_steps": 20}),
}


@pytest.mark.parametrize("name", trl_words.VALUES)
def test_a_value_of_trl_s_is_refused_with_what_to_do_which_works(name, capsys):
    value, instead = TRIED[name]
    (line,) = refused([f"--{name}={value}"], capsys)
    assert line.startswith(f"error: {name} must be")
    assert line.endswith(f"({trl_words.VALUES[name]})")
    words = [f"--{setting}={text}" for setting, text in instead.items()]
    config = parse(words)
    assert {setting: getattr(config, setting) for setting in instead} == instead
    (line,) = refused([f"--{name}", "nonsense"], capsys)  # whatever can't be used
    assert name in line
    assert getattr(PRESETS["tiny"], name) == getattr(parse([]), name)  # control: left out, it has its default


for each, text in trl_words.VALUES.items():
    row(each, text)(test_a_value_of_trl_s_is_refused_with_what_to_do_which_works)
