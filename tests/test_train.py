"""`python -m grao_ref.train` as a user runs it."""

import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from grao_ref.runs.alarm import SINKING
from grao_ref.train import main
from grao_ref.training.loop import proceed
from grao_ref.training.resuming import find_checkpoint
from tests.command import SMALL, refused, rows_of
from tests.language import save_model, save_rows

FAR_TOO_FAST = "--preset bandit --method grpo --beta 1 --learning-rate 3000 --num-iterations 2"
DIVERGES = [*FAR_TOO_FAST.split(), "--max-steps", "4", "--num-seeds", "5"]


@pytest.mark.usefixtures("rendered")
def test_the_bandit_leaves_its_metrics_and_improves(tmp_path, capsys):
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


def test_a_saved_model_is_one_that_transformers_loads_and_that_stops_by_itself(tmp_path):
    assert main([*SMALL, "--max-steps", "2", "--output-dir", str(tmp_path)]) == 0
    folder = tmp_path / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer("52914=")["input_ids"] == [5, 2, 9, 1, 4, 10]  # nothing is added
    prompt = tokenizer("52914=", return_tensors="pt")
    for seed in range(3):
        torch.manual_seed(seed)
        answer = model.generate(**prompt, do_sample=True, max_new_tokens=20)[0, 6:].tolist()
        assert answer[-1] == tokenizer.eos_token_id == model.generation_config.eos_token_id
        assert len(answer) < 20  # it ended by itself, not by the limit
    (found,) = pipeline("text-generation", model=str(folder))("52914=", do_sample=False)
    text = found["generated_text"]
    assert text.startswith("52914=")
    assert sorted(text.removeprefix("52914=").rstrip(".")) == list("12459")  # the prompt's digits, in some order


def test_compare_runs_every_method_and_both_objectives_of_grao(tmp_path, capsys, monkeypatch):
    flags = ["--preset", "bandit", "--compare", "--max-steps", "5", "--num-seeds", "20"]
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*flags, "--output-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown  # nothing is truncated on a narrow terminal
    assert "grao, as printed" in shown
    names = ["sft", "dpo", "ppo", "grpo", "grao, repaired", "grao, as printed"]
    assert [row["run"] for row in rows_of(tmp_path)[::6]] == names


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--method", "grpoo"], "unknown method 'grpoo'; did you mean grpo?"),
        (["--model-name-or-path", "smolm2"], "model_name_or_path 'smolm2' is unknown; did you mean smollm2?"),
        (["--model-name-or-path", "gpt2"], "no language model could be loaded from 'gpt2': it has to be tiny, "),
        (["--dataset-name", "bandit"], "the tabular policy and the bandit belong together"),
        (["--num-generations", "5"], "per_device_train_batch_size (128) must be a multiple of num_generations (5)"),
        (["--beta", "0.5"], "beta is the weight of a KL penalty, and grao has none, got 0.5"),  # not GRAO's β
        (["--max-completion-length", "5"], "none of 3600 rows fits: max_prompt_length is None and max_completion_"),
        (["--seed", "99999"], "seed must be a whole number from 0 to 9999"),
        (["--reward-weights", "1", "2"], "2 reward_weights for 0 reward_funcs"),
        (["--dataset-test-split", "test"], "sorting has the split 'train' alone; there is no split 'test'"),
        (["--config", "none.yaml"], "config none.yaml can't be read"),
        (["--report-to", "tensorbord"], "unknown tracker 'tensorbord' in report_to; did you mean tensorboard?"),
    ],
)
def test_a_bad_command_is_one_line_and_exit_code_2_and_leaves_no_folder(flags, message, tmp_path, capsys):
    """What the parser itself refuses is in settings/test_flags.py."""
    assert message in refused(main, [*flags, "--output-dir", tmp_path / "run"], capsys)
    assert not (tmp_path / "run").exists()


def test_any_model_may_train_on_sorting(tmp_path, capsys):
    """Another model, whose tokenizer reads the digits: the reward is that of the text."""
    model = save_model(tmp_path / "model")
    folder = tmp_path / "run"
    assert main([*SMALL, "--model-name-or-path", model, "--max-steps", "1", "--output-dir", str(folder)]) == 0
    assert "Rewards: sorting; the held-out references score 0.667." in capsys.readouterr().out
    assert {"reward", "loss"} <= set(rows_of(folder)[-1])


def test_the_tiny_model_may_train_on_any_text_whose_characters_it_has(tmp_path, capsys):
    rows = [{"prompt": f"{n}=", "completion": str(n % 10)} for n in range(10, 40)]
    flags = [*SMALL, "--reward-funcs", "exact", "--max-steps", "1"]
    digits = save_rows(tmp_path / "digits.jsonl", rows)
    assert main([*flags, "--dataset-name", digits, "--output-dir", str(tmp_path / "run")]) == 0
    words = save_rows(tmp_path / "words.jsonl", [{"prompt": f"what is {n}?", "completion": "x"} for n in range(9)])
    line = refused(main, [*flags, "--dataset-name", words, "--output-dir", tmp_path / "none"], capsys)
    assert "can't encode a text" in line
    assert not (tmp_path / "none").exists()


def test_a_process_that_is_not_told_of_the_others_is_refused(tmp_path, capsys, monkeypatch):
    """It would train a run of its own into the same folder. Those that torchrun starts: training/test_ranks.py."""
    for rank in ("0", "1"):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", rank)
        line = refused(main, ["--output-dir", tmp_path / "run"], capsys)
        assert "start them with torchrun --nproc-per-node 2 -m grao_ref.train" in line
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert main(["--preset", "bandit", "--max-steps", "1", "--output-dir", str(tmp_path / "run")]) == 0  # control


def test_an_old_picture_is_not_kept(tmp_path, monkeypatch):
    (tmp_path / "curves.png").touch()
    monkeypatch.setattr("grao_ref.runs.run.proceed", interrupted_after_one_step)
    flags = ["--preset", "bandit", "--num-seeds", "5", "--overwrite-output-dir"]
    assert main([*flags, "--output-dir", str(tmp_path)]) == 130
    assert not (tmp_path / "curves.png").exists()


def test_an_output_folder_that_can_not_be_used_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert "error: " in refused(main, ["--output-dir", tmp_path / "file"], capsys)
    line = refused(main, ["--output-dir", tmp_path], capsys)
    assert line.startswith(f"error: output_dir {tmp_path} is not empty: name another one, or --resume-from-checkpoint")
    assert "is no checkpoint" in refused(main, ["--resume-from-checkpoint", tmp_path], capsys)


def test_the_default_output_folder_is_the_next_free_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["--preset", "bandit", "--max-steps", "2", "--num-seeds", "3"]) == 0
    assert len(rows_of(tmp_path / "runs" / "1")) == len(rows_of(tmp_path / "runs" / "2")) == 3


def test_a_run_that_is_asked_to_end_loses_nothing_and_says_how_to_go_on(tmp_path):
    """A real process."""
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
    assert process.returncode == 143
    newest, manifest, _ = find_checkpoint(folder)
    last = rows_of(folder)[-1]["step"]
    assert last == manifest["step"]  # a stop is a save
    assert f"To go on from {newest.name}:" in message
    again = shlex.split(message.splitlines()[-1])
    assert again[:3] == ["python", "-m", "grao_ref.train"]
    assert main([*again[3:], "--max-steps", str(last + 1)]) == 0
    assert [row["step"] for row in rows_of(folder)] == list(range(last + 2))


def test_several_runs_at_once_can_not_be_saved_and_an_interruption_says_that_they_are_lost(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("grao_ref.runs.run.proceed", interrupted_after_one_step)
    assert main(["--preset", "bandit", "--num-seeds", "5", "--output-dir", str(tmp_path)]) == 130
    assert len(rows_of(tmp_path)) == 2
    assert "There is no checkpoint, so a new run starts from the beginning." in capsys.readouterr().err


def interrupted_after_one_step(*arguments):
    yield next(proceed(*arguments))
    raise KeyboardInterrupt


def test_a_step_that_is_not_finite_is_refused_and_said(tmp_path, capsys):
    assert main([*DIVERGES, "--output-dir", str(tmp_path)]) == 3
    assert "the step was refused" in capsys.readouterr().err


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


def test_a_run_that_needs_more_memory_than_there_is_says_what_needs_less(tmp_path, capsys, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nand much more")

    monkeypatch.setattr("grao_ref.runs.train_command.train_all", full)
    assert main(["--output-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "error: CUDA out of memory. Tried to allocate 9 GiB. Less is needed with a smaller" in said
