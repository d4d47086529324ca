"""The trainer on a language model, a tokenizer, a file of rows, reward functions: synthetic ones in real formats."""

import json
import socket

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref.evaluate import main as evaluate
from grao_ref.methods.registry import BUILT_IN
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.train import main
from grao_ref.training.loop import train
from tests.command import refused as refused_by
from tests.language import pairs, save_model, save_rows, texts

REWARD = "tests.language.share_of_wanted"
SMALL = ["--num-generations", "4", "--per-device-train-batch-size", "16", "--max-steps", "3", "--max-eval-prompts", "4"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return save_rows(tmp_path_factory.mktemp("data") / "pairs.jsonl", pairs())


def command(model, data, folder, *more, reward=REWARD) -> list[str]:
    names = ["--model-name-or-path", model, "--dataset-name", data, "--output-dir", str(folder)]
    return [*names, *(["--reward-funcs", reward] if reward else []), *SMALL, *map(str, more)]


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def config_of(model, data, **more) -> Config:
    settings = {"num_generations": 4, "per_device_train_batch_size": 16, "max_eval_prompts": 4} | more
    return Config(model_name_or_path=model, dataset_name=data, reward_funcs=(REWARD,), **settings)


@pytest.mark.parametrize("method", BUILT_IN)
def test_every_method_trains_and_leaves_a_model_that_from_pretrained_loads(method, model, data, tmp_path, capsys):
    assert main(command(model, data, tmp_path / "run", "--method", method, "--learning-rate", "1e-2")) == 0
    shown = capsys.readouterr().out
    assert "36 rows to train on, 4 held out, 0 dropped as too long" in shown
    folder = tmp_path / "run" / "model"
    trained, base = AutoModelForCausalLM.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(model)
    pairs_of = zip(trained.parameters(), base.parameters(), strict=True)
    assert not all(torch.equal(p, q) for p, q in pairs_of)
    prompt = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        pairs()[0]["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert trained.generate(**prompt, max_new_tokens=4, do_sample=False).shape[1] > prompt["input_ids"].shape[1]
    row = rows_of(tmp_path / "run")[-1]
    if BUILT_IN[method].needs(Config()).samples:
        assert {"rewards/share_of_wanted/mean", "completions/mean_length", "completions/clipped_ratio"} <= set(row)
        assert row["num_tokens"] > 0
    assert (folder / "README.md").read_text().startswith("---\nlibrary_name: transformers")


@pytest.mark.parametrize("method", ["sft", "dpo", "tests.extensions.ipo.IPO"])
def test_methods_that_sample_nothing_need_no_reward_and_are_evaluated_by_the_rows_own_answers(
    method, model, data, tmp_path, capsys
):
    flags = [
        "--method",
        method,
        "--learning-rate",
        "1e-2",
        "--max-steps",
        "6",
        "--eval-steps",
        "3",
        "--save-steps",
        "3",
    ]
    flags += ["--per-device-train-batch-size", "6"]  # rows, and no multiple of --num-generations
    assert main(command(model, data, tmp_path / "run", *flags, reward=None)) == 0
    shown = capsys.readouterr().out
    assert "Rewards: none." in shown
    assert "log-likelihood of y" in shown
    rows = {row["step"]: row for row in rows_of(tmp_path / "run")}
    assert not [name for row in rows.values() for name in row if name in ("reward", "eval_reward")]
    assert rows[6]["eval_reference/logp_per_token"] > rows[0]["eval_reference/logp_per_token"] + 0.3
    assert rows[6]["eval_loss"] < rows[0]["eval_loss"]
    pairs_told_apart = [rows[step].get("eval_rewards/accuracies") for step in (0, 6)]
    assert pairs_told_apart == ([None, None] if method == "sft" else [0.0, 1.0])
    assert (tmp_path / "run" / "curves.png").exists()
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert f"| {rows[0]['eval_loss']:.3f} | {rows[6]['eval_loss']:.3f} |" in card
    again = ["--config", str(tmp_path / "run" / "config.yaml"), "--resume-from-checkpoint", str(tmp_path / "run")]
    assert main([*again, "--max-steps", "7"]) == 0  # whose table begins where the first run's did
    assert len(rows_of(tmp_path / "run")) == 8


def test_with_a_reward_they_are_sampled_and_scored_as_well(model, data, tmp_path):
    assert main(command(model, data, tmp_path / "run", "--method", "dpo", "--max-steps", "1")) == 0
    last = rows_of(tmp_path / "run")[-1]
    assert {"eval_reward", "eval_rewards/accuracies", "eval_rewards/margins", "eval_loss"} <= set(last)


def test_prompts_without_references_are_trained_on_and_evaluated_without_ras(model, tmp_path, capsys):
    alone = [{"prompt": row["prompt"], "wanted": "e"} for row in pairs()]
    data = save_rows(tmp_path / "prompts.jsonl", alone)
    for method in ("grpo", "ppo"):
        assert main(command(model, data, tmp_path / method, "--method", method, "--learning-rate", "1e-2")) == 0
        rows = rows_of(tmp_path / method)
        assert all("eval_reward" in row for row in (rows[0], rows[-1]))
        assert not [name for row in rows for name in row if "reference/" in name]
    shown = capsys.readouterr().out
    assert "there is no reference to score" in shown
    assert "references:" not in shown
    assert evaluate([str(tmp_path / "grpo"), "--resamples", "20"]) == 0
    metrics = json.loads((tmp_path / "grpo" / "evaluation.json").read_text())
    assert "RAS" not in metrics["base"]
    assert {"NAG", "reward", "length", "KL"} <= set(metrics["base"])
    page = (tmp_path / "grpo" / "evaluation.md").read_text()
    assert "nan" not in page
    assert "| reference |" not in page
    for method in ("grao", "sft", "dpo"):
        line = refused(command(model, data, tmp_path / "refused", "--method", method), capsys)
        assert f"{method} needs a reference answer in every row, and row 1 of" in line
        assert not (tmp_path / "refused").exists()


def test_what_reward_functions_log_is_in_the_metrics_and_beside_the_completions(model, data, tmp_path):
    assert main(command(model, data, tmp_path / "run", reward="tests.language.logging")) == 0
    rows = rows_of(tmp_path / "run")
    assert [row.get("progress") for row in rows] == [None, 0.0, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert [rows[0]["eval_progress"], rows[-1]["eval_progress"]] == [0.0, 1.0]  # steps that are done
    lines = (tmp_path / "run" / "completions" / "completions_00003.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert list(samples[0]) == ["step", "prompt", "completion", "logging", "advantage", "letters"]
    assert all(sample["letters"] == len(sample["completion"]) for sample in samples)


def test_a_metric_with_the_name_of_the_trainer_s_own_is_one_line(model, data, tmp_path, capsys):
    line = refused(command(model, data, tmp_path / "run", reward="tests.language.logging_the_loss"), capsys)
    assert "a reward function logs the metric 'loss', which the trainer logs itself; rename it" in line


def test_training_reaches_what_the_reference_shows(model, data, tmp_path):
    flags = ["--learning-rate", "1e-2", "--max-steps", "25", "--eval-steps", "25"]
    assert main(command(model, data, tmp_path / "run", *flags)) == 0
    scores = [row["eval_reward"] for row in rows_of(tmp_path / "run") if "eval_reward" in row]
    assert scores[0] < 0.2
    assert scores[-1] > 0.8


def test_the_reference_is_tokenised_once_opened_and_ended_and_the_conversation_is_the_template_s(model, data):
    task = prepare(config_of(model, data)).task
    example, tokenizer = task.examples[0], task.encoder.tokenizer
    assert example.reference[-1] == tokenizer.eos_token_id
    assert example.reference.count(tokenizer.eos_token_id) == 1
    assert task.text(example.reference) == example.row.reference
    rendered = tokenizer.apply_chat_template(example.row.prompt, tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(example.prompt, skip_special_tokens=False).replace(" ", "") == rendered.replace(" ", "")


def test_each_pass_sees_every_row_once_in_another_order_and_held_out_prompts_never(model, data):
    experiment = prepare(config_of(model, data, per_device_train_batch_size=12))
    task = experiment.task
    assert len(task.examples) == 36
    rng = torch.Generator()
    passes = [[row for step in range(12) for row in task.draw(rng, 12 * n + step + 1).rows.tolist()] for n in range(3)]
    assert [sorted(order) for order in passes] == [list(range(36))] * 3
    assert passes[0] != passes[1] != passes[2]
    trained_on = {str(example.row.prompt) for example in task.examples}
    held = experiment.evaluation.held_out.task.examples
    assert len(held) == 4
    assert not trained_on & {str(example.row.prompt) for example in held}


def test_the_reference_and_the_samples_are_scored_by_the_same_functions(model, data):
    experiment = prepare(config_of(model, data))
    report = next(train(experiment.task, experiment.policy, experiment.config))
    assert report.batch.rewards.reference.tolist() == [1.0] * 4
    for n in range(4):
        for g in range(4):
            text = experiment.text(report.batch.samples.ids[n, g][report.batch.samples.mask[n, g]].tolist())
            assert report.batch.rewards.outputs[n, g].item() == pytest.approx(text[:4].count("e") / 4)


def test_two_weighted_rewards_and_a_completions_table(model, data, tmp_path, capsys):
    rewards = [REWARD, "tests.language.sometimes"]
    flags = ["--reward-funcs", *rewards, "--reward-weights", "1", "-0.5", "--log-completions", "--eval-steps", "3"]
    assert main(command(model, data, tmp_path / "run", *flags, reward=None)) == 0
    lines = (tmp_path / "run" / "completions" / "completions_00003.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 16
    assert list(rows[0]) == ["step", "prompt", "completion", "share_of_wanted", "sometimes", "advantage"]
    assert "samples of step 3" in capsys.readouterr().out


def test_what_can_not_be_scored_counts_for_nothing(model, data, tmp_path):
    assert main(command(model, data, tmp_path / "run", reward="tests.language.sometimes")) == 0
    last = rows_of(tmp_path / "run")[-1]
    assert 0 < last["frac_unscored"] < 1
    assert all(value == value for value in last.values())


def test_plain_text_needs_no_template_and_no_pad(tmp_path):
    bare = save_model(tmp_path / "bare", template=False, pad=False)
    data = save_rows(tmp_path / "texts.jsonl", texts())
    assert main(command(bare, data, tmp_path / "run")) == 0


def test_lora_and_bfloat16_from_the_command_line(model, data, tmp_path):
    flags = ["--use-peft", "--lora-r", "4", "--bf16", "True", "--gradient-checkpointing", "--learning-rate", "1e-2"]
    assert main(command(model, data, tmp_path / "run", *flags)) == 0
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").stat().st_size < 40_000
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    ids = torch.arange(4, 14)[None]
    assert not torch.equal(trained(ids).logits, AutoModelForCausalLM.from_pretrained(model)(ids).logits)


def test_resuming_a_language_model_is_exact(model, data, tmp_path):
    flags = ["--save-steps", "2", "--eval-steps", "2", "--learning-rate", "1e-2"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(command(model, data, whole, *flags, "--max-steps", "4")) == 0
    assert main(command(model, data, parts, *flags, "--max-steps", "2")) == 0
    again = ["--config", str(parts / "config.yaml"), "--resume-from-checkpoint", str(parts), "--max-steps", "4"]
    assert main(again) == 0
    for a, b in zip(rows_of(whole), rows_of(parts), strict=True):
        assert a | {"step_time": 0} == b | {"step_time": 0}
    one, other = (AutoModelForCausalLM.from_pretrained(folder / "model") for folder in (whole, parts))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def test_rows_that_the_policy_could_not_say_are_dropped_and_counted(model, tmp_path):
    long = [*pairs(), {**pairs(1)[0], "prompt": [{"role": "user", "content": "long one " * 4}]}]
    data = save_rows(tmp_path / "long.jsonl", long)
    experiment = prepare(config_of(model, data, max_prompt_length=20))
    assert "1 dropped as too long" in " ".join(experiment.notes)


def refused(arguments, capsys) -> str:
    return refused_by(main, arguments, capsys)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("tests.language.broken", "reward function 'broken' raised RuntimeError: out of order"),
        ("tests.language.short", "reward function 'short' returned 3 rewards for 4 completions"),
        ("tests.language.not_a_number", "reward function 'not_a_number' gave completions[0] nan"),
        ("tests.language.never", "reward function 'never' could score none of the 4 references"),
        ("tests.language.shar_of_wanted", "did you mean share_of_wanted?"),
        ("finale_number", "did you mean final_number?"),
        (None, "has no rule of its own: reward_funcs must say what scores an answer"),
    ],
)
def test_a_bad_reward_is_found_before_the_first_step(reward, message, model, data, tmp_path, capsys):
    assert message in refused(command(model, data, tmp_path / "run", reward=reward), capsys)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([{"question": "a"}], "has the columns question; expected one of"),
        ([{"prompt": "a", "completion": ""}], "row 1"),
    ],
)
def test_bad_data_is_found_before_the_first_step(rows, message, model, tmp_path, capsys):
    data = save_rows(tmp_path / "bad.jsonl", rows)
    assert message in refused(command(model, data, tmp_path / "run"), capsys)


def test_what_does_not_fit_together_is_said(model, data, tmp_path, capsys):
    bare = save_model(tmp_path / "bare", template=False)
    assert "has no chat template" in refused(command(bare, data, tmp_path / "a"), capsys)
    endless = save_model(tmp_path / "endless", eos=False)
    assert "has no end-of-sequence token" in refused(command(endless, data, tmp_path / "b"), capsys)
    narrow = save_model(tmp_path / "narrow", context=16)
    assert "exceeds the model's context of 16; max_prompt_length drops" in refused(
        command(narrow, data, tmp_path / "c"), capsys
    )
    line = refused(command(model, data, tmp_path / "d", "--max-prompt-length", "3"), capsys)
    assert "rows fits: max_prompt_length is 3" in line
    plain = save_rows(tmp_path / "texts.jsonl", texts())
    line = refused(command(model, plain, tmp_path / "e", "--method", "dpo"), capsys)
    assert "dpo needs a rejected answer in every row" in line
    line = refused(command(str(tmp_path / "nowhere"), data, tmp_path / "f"), capsys)
    assert line.startswith("error: no language model could be loaded from")
    assert "did you mean pairs.jsonl?" in refused(command(model, data[:-9] + "pair.jsonl", tmp_path / "g"), capsys)
    assert "lora_target_modules" in refused(
        command(model, data, tmp_path / "h", "--use-peft", "--lora-target-modules", "nonsense"), capsys
    )


def test_a_judge_that_is_down_is_found_before_the_first_step(model, data, tmp_path, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    flags = ["--judge-base-url", url, "--judge-model", "nobody", "--judge-timeout", "1"]
    line = refused(command(model, data, tmp_path / "run", *flags, reward="judge_helpful"), capsys)
    assert f"the judge 'nobody' at {url} can't be reached" in line
