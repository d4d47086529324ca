"""TRL's trainers, and what is called of them."""

import copy
import re
import shutil

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from grao_ref import finetune
from grao_ref.methods.registry import METHODS
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, right, ten, weights
from tests.language import save_rows
from tests.rewards.tiny import classifier_folder
from tutorials.sources import BLOCK, HERE

row = scripts_of("Trainers and their arguments")


@row("GRPOTrainer, SFTTrainer, DPOTrainer", 'finetune(..., method="grpo"), "sft", "dpo"')
def test_each_trainer_is_a_method_that_learns_from_the_columns_that_it_reads(embedded, tokenizer):
    def trained(method, **changed):
        model = copy.deepcopy(embedded)
        rows = [each | changed for each in ten("prompt", "chosen", "rejected")]
        list(finetune(model, tokenizer, rows, reward_funcs=anything, method=method, **SMALL))
        return weights(model)

    start = weights(embedded)
    for method, reads in {"grpo": (), "sft": ("chosen",), "dpo": ("chosen", "rejected")}.items():
        now = trained(method)
        assert not torch.equal(now, start)
        for column in ("chosen", "rejected"):
            assert torch.equal(now, trained(method, **{column: "55555"})) == (column not in reads), (method, column)


@row("PPOTrainer, of earlier versions", 'finetune(..., method="ppo")')
def test_ppo_trains_a_critic_too(model, tokenizer):
    given = {"reward_funcs": anything, **SMALL}
    (ppo,) = finetune(model, tokenizer, ten("prompt"), method="ppo", **given)
    (grpo,) = finetune(model, tokenizer, ten("prompt"), method="grpo", **given)
    assert ppo.means()["value_error"] > 0
    assert ppo.batch.critique.advantages.shape == ppo.batch.samples.ids.shape  # one for each token
    assert grpo.batch.critique is None
    assert "value_error" not in grpo.means()


@row(
    "RewardTrainer",
    "grao reward-head: a linear head on a frozen model. A model that RewardTrainer made is a reward: name its folder "
    "in reward_funcs",
)
def test_a_reward_head_is_fitted_to_pairs_and_a_reward_model_is_named_by_its_folder(
    embedded, model, tokenizer, grao, tmp_path
):
    """RewardTrainer saves what transformers' sequence classifiers are; tests/parity has one that it made itself."""
    pairs, base = save_rows(tmp_path / "pairs.jsonl", ten("prompt", "chosen", "rejected")), tmp_path / "base"
    embedded.save_pretrained(base)
    tokenizer.save_pretrained(base)
    frozen = (base / "model.safetensors").read_bytes()
    head, judge = tmp_path / "head", classifier_folder(tmp_path / "judge")
    words = ["--model-name-or-path", base, "--dataset-name", pairs, "--output-dir", head]
    assert grao("reward-head", *words)[0] == 0
    assert (base / "model.safetensors").read_bytes() == frozen
    given = {"reward_funcs": [str(head), str(judge)], "method": "grpo", **SMALL}
    run = finetune(model, tokenizer, ten("prompt"), **given)
    (report,) = run
    prompts = [entry["prompt"] for entry in run.completions(report)]
    answers = [entry["completion"] for entry in run.completions(report)]
    theirs = AutoModelForSequenceClassification.from_pretrained(judge).eval(), AutoTokenizer.from_pretrained(judge)
    scores = [
        theirs[0](**theirs[1](p + a, return_tensors="pt")).logits.item() for p, a in zip(prompts, answers, strict=False)
    ]
    assert report.means()["rewards/judge/mean"] == pytest.approx(sum(scores) / len(scores), abs=1e-4)
    assert report.means()["rewards/head/mean"] != 0


@row("RLOOTrainer", "a method of your own, 40 lines: [Add a method](add_a_method.md) has RLOO")
def test_rloo_is_on_the_page_in_forty_lines_and_trains(model, tokenizer):
    page = (HERE / "pages" / "add_a_method.md").read_text()
    code = next(text for _, text in BLOCK.findall(page) if 'name="rloo"' in text)
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    made = {}
    exec(code, made)
    try:
        (report,) = finetune(model, tokenizer, ten("prompt"), reward_funcs=anything, method=made["RLOO"], **SMALL)
    finally:
        METHODS.pop("rloo", None)
    rewards, found = report.batch.rewards.outputs[0], report.batch.advantages.outputs[0]
    others = [(rewards.sum() - rewards[n]) / 3 for n in range(4)]
    assert rewards.std() > 0
    torch.testing.assert_close(found, rewards - torch.stack(others))  # the baseline is the other samples' mean


@row(
    "KTOTrainer, DistillationTrainer, trl.experimental",
    "not here: the package has the paper's method and its baselines",
)
def test_other_trainers_are_refused_with_a_list_of_the_methods(model, tokenizer, grao):
    known = "it has to be one of sft, dpo, ppo, grpo, grao, or package.module.METHOD"
    for method in ("kto", "distillation"):
        with pytest.raises(ValueError, match=f"unknown method '{method}'; {known}"):
            finetune(model, tokenizer, ten("prompt"), reward_funcs=anything, method=method)
        assert known in grao("train", "--method", method)[2]
    with pytest.raises(ValueError, match=r"method 'trl\.experimental\.bco\.BCOTrainer'"):
        finetune(model, tokenizer, ten("prompt"), reward_funcs=anything, method="trl.experimental.bco.BCOTrainer")


@row("GRPOConfig(...), SFTConfig(...), DPOConfig(...)", "keywords of finetune; a YAML file or flags of grao train")
def test_a_setting_is_a_keyword_a_key_of_a_file_or_a_flag(model, tokenizer, tmp_path):
    settings = {"learning_rate": 1e-6, "num_generations": 4, "beta": 0.04, "method": "grpo", "max_completion_length": 8}
    run = finetune(model, tokenizer, ten("prompt"), reward_funcs=anything, **settings)
    file = tmp_path / "grpo.yaml"
    file.write_text(yaml.safe_dump(settings))
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    for arguments in (["--config", str(file)], words):
        config = parse(arguments, PRESETS, module="grao_ref.train", description="")
        assert {name: getattr(config, name) for name in settings} == settings
        assert {name: getattr(run.config, name) for name in settings} == settings
    assert PRESETS["tiny"].beta is None  # control: without the file and the flags


@row("trainer.train()", "for report in finetune(...)")
def test_the_loop_trains_and_nothing_else_does(model, tokenizer, embedded):
    start = weights(embedded)
    run = finetune(model, tokenizer, ten("prompt", "completion"), method="sft", **SMALL | {"max_steps": 2})
    assert torch.equal(weights(model), start)
    assert next(run).step == 1
    once = weights(model)
    assert [report.step for report in run] == [2]
    assert not torch.equal(once, start)
    assert not torch.equal(weights(model), once)


@row("trainer.evaluate()", "eval_rows and eval_steps; grao evaluate for a table with intervals")
def test_an_evaluation_is_asked_for_by_rows_and_steps_or_made_by_the_command(model, tokenizer, a_run, grao):
    rows = ten("prompt", "solution")
    given = {"reward_funcs": right, "eval_rows": rows[8:], "eval_steps": 2, "method": "grpo"}
    run = finetune(model, tokenizer, rows[:8], **given, **SMALL | {"max_steps": 3})
    assert run.before["eval_reward"] >= 0  # before the first step too
    assert [report.step for report in run if "eval_reward" in report.metrics] == [2, 3]
    code, out, _ = grao("evaluate", a_run, resamples=20)
    assert code == 0
    assert "reward" in out
    table = (a_run / "evaluation.md").read_text()
    assert re.search(r"\| reward \|.*\[.*,.*\]", table), table  # with an interval


@row("trainer.save_model(folder)", "model.save_pretrained(folder) and tokenizer.save_pretrained(folder)")
def test_the_trained_model_is_saved_as_every_model_of_transformers(model, tokenizer, tmp_path):
    list(finetune(model, tokenizer, ten("prompt", "completion"), method="sft", **SMALL))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(weights(again), weights(model))
    prompt = AutoTokenizer.from_pretrained(tmp_path)("31524=", return_tensors="pt")
    assert torch.equal(again(**prompt).logits, model(**prompt).logits)


@row("trainer.state.log_history", "[report.means() for report in finetune(...)]; with the command, metrics.jsonl")
def test_the_history_is_the_reports_means_and_the_command_s_file(model, tokenizer, a_run, metrics_of):
    rows = ten("prompt", "completion")
    history = [report.means() for report in finetune(model, tokenizer, rows, method="sft", **SMALL | {"max_steps": 2})]
    assert len(history) == 2
    assert history[1]["loss"] < history[0]["loss"]
    written = metrics_of(a_run)
    assert [entry["step"] for entry in written] == [0, 1, 2]
    assert {"loss", "reward", "learning_rate"} <= set(written[2])


@row(
    "trainer.train(resume_from_checkpoint=True)",
    "the command again, with --resume-from-checkpoint runs/1: after a stop, or with --save-steps before",
)
def test_a_run_that_was_stopped_goes_on_from_its_newest_checkpoint(a_run, file, grao, metrics_of, tmp_path):
    stopped = tmp_path / "1"
    shutil.copytree(a_run, stopped)
    shutil.rmtree(stopped / "checkpoint-2")
    words = ["--dataset-name", file, "--reward-funcs", "exact", "--save-steps", 1, "--test-size", 0.3]
    settings = SMALL | {"max_steps": 2, "eval_steps": 1}
    code, _, err = grao("train", *words, "--resume-from-checkpoint", stopped, **settings)
    assert code == 0, err
    first, second = ([entry | {"step_time": 0} for entry in metrics_of(run)] for run in (a_run, stopped))
    assert first == second
    for path in stopped.glob("checkpoint-*"):
        shutil.rmtree(path)
    code, _, err = grao("train", *words, "--resume-from-checkpoint", stopped, **settings)
    assert code == 2
    assert "checkpoint" in err
