"""python -m grao_ref.reward_head: from pairs to a folder that is a reward function, and what it prints."""

import gzip
import itertools
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from grao_ref.data.load import load_rows
from grao_ref.policies.smollm2 import smollm2_folder
from grao_ref.reward_head import main
from grao_ref.rewards.load import load_scorer
from tests.command import refused
from tests.rewards.tiny import causal_folder

HH = Path(__file__).parents[2] / "shared" / "data" / "hh" / "harmless-base.jsonl.gz"


@pytest.fixture
def setting(tmp_path):
    """A tiny model, and synthetic pairs in which the chosen answer says yes and the rejected one no."""
    model = causal_folder(tmp_path / "model")
    words = ["a", "b", "c", "d"]
    with gzip.open(tmp_path / "pairs.jsonl.gz", "wt") as file:
        for first, second, third in itertools.product(words, repeat=3):
            prompt = [{"role": "user", "content": f"hello {first} {second} {third}"}]
            row = {"prompt": prompt, "chosen": f"{third} yes {first}", "rejected": f"{third} no {second} {first}"}
            file.write(json.dumps(row) + "\n")
    return [
        "--model-name-or-path",
        str(model),
        "--dataset-name",
        str(tmp_path / "pairs.jsonl.gz"),
        "--output-dir",
        str(tmp_path / "head"),
        "--device",
        "cpu",
    ]


def described(tmp_path):
    return json.loads((tmp_path / "head" / "head.json").read_text())


def test_a_head_learns_what_the_pairs_prefer_and_is_a_reward_function(setting, tmp_path, capsys):
    assert main(setting) == 0
    about = described(tmp_path)
    assert about["held_out"]["mean"] > 0.9
    assert (about["held_out"]["pairs"], about["training"]["pairs"]) == (13, 51)
    assert about["longer_answer_wins"]["mean"] == 0.0
    assert about["correlation_with_length"] < 0
    assert about["pairs"]["used"] == 64
    assert "used: 64" in (said := capsys.readouterr().out)
    assert "13" in said
    scorer = load_scorer([str(tmp_path / "head")])
    prompt = [{"role": "user", "content": "hello d a b"}]
    scores = scorer([prompt] * 2, ["b yes d", "b no a d"], references=["b yes d"] * 2, columns={})
    assert scores.parts["head"][0] > scores.parts["head"][1]


def test_the_same_seed_makes_the_same_head_and_another_holds_out_other_prompts(setting, tmp_path):
    assert main(setting) == 0
    again = [*setting, "--output-dir", str(tmp_path / "again")]
    assert main(again) == 0
    first, second = (load_file(tmp_path / name / "head.safetensors") for name in ("head", "again"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert main([*setting, "--output-dir", str(tmp_path / "other"), "--seed", "1"]) == 0
    assert not torch.equal(load_file(tmp_path / "other" / "head.safetensors")["weight"], first["weight"])


def test_scores_are_standardised_on_the_training_answers(setting, tmp_path):
    assert main([*setting, "--held-out", "0.25"]) == 0
    means = described(tmp_path)["mean_score"]["training"]
    assert means["chosen"] + means["rejected"] == pytest.approx(0, abs=1e-6)
    assert 0 < means["chosen"] <= 1


def test_limits_leave_out_and_count(setting, tmp_path, capsys):
    # A prompt has 11 tokens: "<s> user : hello a b c </s> <s> assistant :".
    assert main([*setting, "--max-prompt-length", "10"]) == 2
    assert "too long: 64, used: 0" in capsys.readouterr().out
    assert main([*setting, "--max-completion-length", "3"]) == 2
    assert main([*setting, "--max-length", "14"]) == 2
    assert not (tmp_path / "head" / "head.json").exists()
    assert main([*setting, "--max-prompt-length", "11", "--max-completion-length", "4", "--max-length", "15"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset-name", "hh-harmles"], "did you mean hh-harmless?"),
        (["--model-name-or-path", "smollm"], "did you mean smollm2?"),
        (["--device", "nonsense"], "device 'nonsense' can't be used here"),
        (["--output-dir", os.devnull], "error: "),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(setting, capsys, flags, message):
    assert main([*setting, *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("flags", [["--held-out", "0"], ["--l2", "-1"], ["--max-length", "0"], ["--no-such-flag", "1"]])
def test_bad_settings_end_with_exit_code_2(setting, flags):
    try:
        code = main([*setting, *flags])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2


def test_data_without_pairs(setting, tmp_path, capsys):
    (tmp_path / "plain.jsonl").write_text('{"prompt": "hello", "completion": "yes"}\n')
    assert main([*setting, "--dataset-name", str(tmp_path / "plain.jsonl")]) == 2
    assert "has no rejected answers" in capsys.readouterr().err


def test_a_head_is_never_overwritten(setting, tmp_path, capsys):
    assert main(setting) == 0
    before = (tmp_path / "head" / "head.safetensors").read_bytes()
    assert main([*setting, "--seed", "1"]) == 2
    assert "holds a head already" in capsys.readouterr().err
    assert (tmp_path / "head" / "head.safetensors").read_bytes() == before


def test_a_real_model_and_real_pairs(tmp_path):
    """SmolLM2 on 16 short pairs of HH-RLHF: on what it was fitted to, it beats the rule that the longer answer wins."""
    if not HH.exists():
        pytest.skip(f"needs the data set {HH}")
    try:
        smollm2_folder()
    except ValueError as missing:
        pytest.skip(str(missing))
    with gzip.open(HH, "rt") as file:
        short = [line for line in file if len(line) < 400][:16]
    (tmp_path / "pairs.jsonl").write_text("".join(short))
    flags = ["--dataset-name", str(tmp_path / "pairs.jsonl"), "--output-dir", str(tmp_path / "head"), "--device", "cpu"]
    assert main([*flags, "--l2", "0.1"]) == 0
    about = described(tmp_path)
    assert about["pairs"]["used"] == 16
    assert about["training"]["low"] > 0.5
    scorer = load_scorer([str(tmp_path / "head")])
    row = load_rows(str(tmp_path / "pairs.jsonl"))[0]
    assert scorer.probe([row.prompt], [row.reference], {}).total[0] is not None


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_broken_model_is_one_line_and_makes_no_folder(broken, setting, tmp_path, capsys):
    copy = shutil.copytree(setting[setting.index("--model-name-or-path") + 1], tmp_path / "copy")
    (copy / broken).write_bytes((copy / broken).read_bytes()[:40])
    line = refused(main, [*setting, "--model-name-or-path", copy, "--output-dir", tmp_path / "new" / "head"], capsys)
    assert str(copy) in line
    assert not (tmp_path / "new").exists()
