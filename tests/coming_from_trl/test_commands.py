"""TRL's commands and flags."""

import pytest

from grao_ref.settings.config import Config
from grao_ref.settings.flags import read_file
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, ten
from tests.command import parse
from tests.language import save_rows

row = scripts_of("Commands, flags and YAML files")


@row("trl grpo, trl sft, trl dpo", "grao train --method grpo, sft, dpo")
def test_each_of_trl_s_commands_is_a_method_of_the_one_command(grao, tmp_path, metrics_of):
    file = save_rows(tmp_path / "ten.jsonl", ten("prompt", "chosen", "rejected"))
    own = {"grpo": "clip_ratio/region_mean", "sft": "eval_loss", "dpo": "rewards/margins"}
    for method, metric in own.items():
        words = ["--method", method, "--dataset-name", file, "--output-dir", tmp_path / method]
        words += ["--reward-funcs", "exact"] if method == "grpo" else []
        code, out, err = grao("train", *words, **SMALL)
        assert code == 0, err
        assert out.startswith(f"Method: {method}")
        assert metric in metrics_of(tmp_path / method)[-1]
        code, _, err = grao(method, *words)
        assert (code, err) == (2, f"error: there is no command '{method}'; it is `grao train --method {method}`\n")


@row("trl reward", "grao reward-head, with pairs and a frozen model")
def test_a_reward_is_fitted_to_pairs_by_a_command_of_its_own(grao, tmp_path, file):
    """test_trainers.py fits one. Here: its two demands, and the answer to TRL's word."""
    assert (
        grao("reward", "--dataset-name", file)[2] == "error: there is no command 'reward'; did you mean reward-head?\n"
    )
    code, _, err = grao("reward-head", "--dataset-name", file, "--output-dir", tmp_path / "head")
    assert code == 2
    assert "has no rejected answers, and a head is fitted to pairs" in err
    help_text = grao("reward-head", "--help")[1]
    assert "--model-name-or-path" in help_text
    assert "It stays as it is" in " ".join(help_text.split())


@row("--config file.yaml", "the same; a flag beats the file")
def test_a_flag_beats_the_file(tmp_path):
    file = tmp_path / "file.yaml"
    file.write_text("learning_rate: 1e-5\nmax_steps: 7\n")
    config = parse(["--config", str(file), "--max-steps", "3"])
    assert (config.learning_rate, config.max_steps) == (1e-5, 3)
    assert parse(["--max-steps", "3", "--config", str(file)]) == config


@row("--learning_rate 1e-5, --learning-rate 1e-5", "both")
def test_dashes_and_underscores_are_the_same():
    assert parse(["--learning_rate", "1e-5"]) == parse(["--learning-rate", "1e-5"])
    assert parse(["--learning-rate=1e-5"]).learning_rate == 1e-5


@row("--bf16, --bf16 true", "both; --no-bf16, --bf16 false")
def test_a_switch_is_turned_with_and_without_a_value():
    for words, value in ((["--bf16"], True), (["--bf16", "true"], True), (["--bf16", "True"], True),
                         (["--no-bf16"], False), (["--bf16", "false"], False), ([], None)):  # fmt: skip
        assert parse(words).bf16 is value


@row("accelerate launch", "torchrun --nproc-per-node 4 -m grao_ref.train; --accelerate_config is not here")
def test_several_processes_are_torchrun_s(grao, monkeypatch):
    code, _, err = grao("train", "--accelerate_config", "zero3", "--num_processes", 4)
    assert code == 2
    assert err.count("not here: a process for each GPU holds the whole model") == 2
    monkeypatch.setenv("WORLD_SIZE", "2")  # by hand
    monkeypatch.setenv("RANK", "1")
    code, _, err = grao("train")
    assert code == 2
    assert "start them with torchrun --nproc-per-node 2 -m grao_ref.train" in err


@row("trl vllm-serve", "not here: the trained model samples its answers itself")
def test_there_is_no_inference_server(grao):
    assert "there are train, evaluate, reward-head" in grao("vllm-serve", "--model", "Qwen/Qwen3-0.6B")[2]
    assert "the trained model samples its answers itself" in grao("train", "--use_vllm", "true")[2]


def test_a_file_written_for_trl_is_read_and_what_it_says_counts(tmp_path):
    """The page's own example, and a control: a key that asks for something else is refused."""
    file = tmp_path / "trl.yaml"
    file.write_text("learning_rate: 1e-5\nuse_vllm: false\nreport_to: [tensorboard]\n")
    config = parse(["--config", str(file), "--warmup_ratio", "0.1"])
    assert (config.learning_rate, config.report_to, config.warmup_ratio) == (1e-5, ("tensorboard",), 0.1)
    assert "use_vllm" in read_file(file)
    assert not hasattr(Config, "use_vllm")
    file.write_text("learning_rate: 1e-5\nuse_vllm: true\n")
    with pytest.raises(SystemExit):
        parse(["--config", str(file)])
