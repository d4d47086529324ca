"""Reasons for which settings of TRL's are not here, as what is done instead: rows, evaluation, files, the machine.

test_words.py proves that TRL's names are refused with these reasons.
"""

import copy
import shutil
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset

from grao_ref import finetune
from grao_ref.data.rows import rows_of
from grao_ref.policies.build import language_policy
from grao_ref.runs import hub
from grao_ref.runs.trackers import tracker_of
from grao_ref.settings.config import Config
from grao_ref.training.machine import Machine, this_machine
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, likelihoods, said, ten, texts, weights
from tests.command import parse

row = scripts_of("NOT_HERE")
SFT = {"method": "sft", **SMALL}


@row("one process and one device")
def test_a_second_process_is_refused(monkeypatch, model, tokenizer):
    assert this_machine() == Machine(0, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process trains a run, and this is one of 2"):
        finetune(model, tokenizer, ten("prompt", "completion"), **SFT)
    monkeypatch.delenv("WORLD_SIZE")
    model.lm_head.to("meta")
    with pytest.raises(ValueError, match="the model must be on one device, and is on cpu, meta"):
        finetune(model, tokenizer, ten("prompt", "completion"), **SFT)


@row("rows stay separate and whole: none is packed, cut, or padded beyond its batch")
def test_a_batch_has_a_row_for_each_row_as_long_as_the_longest(chat):
    rows = [{"messages": said("?" * n, "!" * n)} for n in range(1, 11)]
    given = SFT | {"num_train_epochs": 1, "max_completion_length": 32, "per_device_train_batch_size": 4}
    given = {name: value for name, value in given.items() if name != "max_steps"}
    seen = []
    for report in finetune(*chat, rows, **given):
        answers = report.batch.references
        assert answers.ids.shape[1] == answers.mask.sum(-1).max()
        seen += texts(chat[1], answers)
    wanted = {f"{'!' * n}<stop>" for n in range(1, 11)}
    assert set(seen) == wanted  # none is cut, and none follows another


@row("rows are read at once, into memory, in one process")
def test_rows_are_all_read_before_the_first_step(model, tokenizer):
    read = []

    def rows():
        for each in ten("prompt", "completion"):
            read.append(each)
            yield each

    run = finetune(model, tokenizer, Dataset.from_list(ten("prompt", "completion")).to_iterable_dataset(), **SFT)
    assert len(run.setup.rows) == 10
    finetune(copy.deepcopy(model), tokenizer, rows(), **SFT)
    assert len(read) == 10


@row("every column goes to the reward functions")
def test_a_function_gets_every_other_column(model, tokenizer):
    seen = {}

    def keeps(completions, **columns):
        seen.update(columns)
        return anything(completions)

    rows = [each | {"unused": n, "nested": {"a": n}} for n, each in enumerate(ten("prompt", "solution", "level"))]
    list(finetune(model, tokenizer, rows, method="grpo", reward_funcs=keeps, **SMALL))
    assert {"solution", "level", "unused", "nested"} <= set(seen)
    assert all(value == {"a": n} for n, value in zip(seen["unused"], seen["nested"], strict=True))


@row("a prompt is never trained on, only its answer")
def test_sft_s_loss_is_that_of_the_answers_alone(embedded, model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt", "completion"), **SFT)
    found = likelihoods(embedded, report.batch.prompts, report.batch.references)
    assert report.means()["loss"] == pytest.approx(-sum(each.mean().item() for each in found) / len(found), rel=1e-5)


@row("an answer ends as the chat template ends a turn")
def test_the_end_of_a_turn_is_learnt_and_ends_a_sample(chat):
    model, tokenizer = chat
    assert tokenizer.eos_token == "<eos>"
    (report,) = finetune(
        copy.deepcopy(model), tokenizer, [{"messages": said(f"{n}?", "Yes")} for n in range(10)], **SFT
    )
    assert set(texts(tokenizer, report.batch.references)) == {"Yes<stop>"}
    with torch.no_grad():
        model.lm_head.weight[tokenizer.convert_tokens_to_ids("<stop>")] += 5 * model.lm_head.weight.abs().max()
    rows = [{"prompt": said(f"{n}?")} for n in range(10)]
    given = SMALL | {"max_completion_length": 64}
    (report,) = finetune(model, tokenizer, rows, method="grpo", reward_funcs=anything, **given)
    samples = report.batch.samples
    ended = [text for text, end in zip(texts(tokenizer, samples), samples.ended.flatten(), strict=True) if end]
    assert all(text.endswith(("<stop>", "<eos>")) for text in ended)
    assert any(text.endswith("<stop>") for text in ended)


@row("rows are shuffled anew for each epoch")
def test_each_pass_has_another_order(model, tokenizer):
    given = SFT | {"per_device_train_batch_size": 5, "max_steps": 6}
    orders = [report.batch.rows.tolist() for report in finetune(model, tokenizer, ten("prompt", "completion"), **given)]
    passes = [orders[0] + orders[1], orders[2] + orders[3], orders[4] + orders[5]]
    assert all(sorted(each) == list(range(10)) for each in passes)
    assert passes[0] != passes[1] != passes[2] != list(range(10))


@row("answers are text, without tools or images")
def test_a_part_that_is_no_text_is_refused():
    part = [{"role": "user", "content": [{"type": "image", "url": "a.png"}]}]
    with pytest.raises(ValueError, match="row 1 of rows: prompt has a part of the type 'image' in a message, and only"):
        rows_of([{"prompt": part, "completion": "A cat."}], "rows")
    part[0]["content"][0] = {"type": "text", "text": "A cat?"}
    assert rows_of([{"prompt": part, "completion": "Yes."}], "rows")[0].prompt == said("A cat?")


@row("PyTorch's kernels as they are")
def test_torch_s_switches_and_the_model_s_modules_stay(model, tokenizer):
    def switches():
        return (
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
            torch.get_float32_matmul_precision(),
        )

    kinds, before = [type(module) for module in model.modules()], switches()
    list(finetune(model, tokenizer, ten("prompt", "completion"), **SFT))
    assert [type(module) for module in model.modules()] == kinds  # none is compiled or replaced
    assert switches() == before


@row("name a folder that holds that revision of the model")
def test_a_model_is_named_by_its_folder(a_run):
    for revision in ("checkpoint-1", "checkpoint-2"):
        policy, _ = language_policy(Config(model_name_or_path=str(a_run / revision)), torch.device("cpu"))
        other, _ = language_policy(Config(model_name_or_path=str(a_run / "model")), torch.device("cpu"))
        assert torch.equal(weights(policy.model), weights(other.model)) == (revision == "checkpoint-2")


@row("the final model is uploaded, when training has ended")
def test_the_folder_that_is_uploaded_is_the_final_model(file, grao, tmp_path, monkeypatch):
    """The real client meets a stand-in for the hub in tests/runs/test_hub.py; here it is replaced."""
    uploads = []
    monkeypatch.setattr("grao_ref.runs.train_command.require_hub", lambda config: None)
    monkeypatch.setattr(hub, "HfApi", lambda **_: SimpleNamespace(
        create_repo=lambda name, **_: SimpleNamespace(repo_id=name),
        upload_folder=lambda **given: uploads.append(given["folder_path"])
    ))  # fmt: skip
    words = ["--dataset-name", file, "--push-to-hub", "--hub-model-id", "me/sorter", "--output-dir", tmp_path / "run"]
    code, _, err = grao("train", *words, **SFT | {"max_steps": 2})
    assert code == 0, err
    assert uploads == [tmp_path / "run" / "model"]


@row("trackers read their own environment variables, such as WANDB_ENTITY")
def test_a_tracker_is_opened_without_what_its_environment_says(monkeypatch, tmp_path):
    opened = []
    client = SimpleNamespace(init=lambda **given: opened.append(given) or SimpleNamespace(finish=lambda: None))
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(__import__("sys").modules, name, client)
        tracker_of(Config(report_to=(name,)), tmp_path)
    assert not {"entity", "group", "space_id", "tags"} & set().union(*opened)


@row("there is one kind of evaluation, before the first step, each eval_steps and at the end")
def test_evaluations_are_before_the_first_step_each_so_many_and_at_the_end(model, tokenizer):
    rows = ten("prompt", "completion")
    run = finetune(model, tokenizer, rows[:7], eval_rows=rows[7:], **SFT | {"max_steps": 5, "eval_steps": 2})
    kinds = [{name for name in report.means() if name.startswith("eval_")} for report in run]
    assert kinds == [set(), set(run.before), set(), set(run.before), set(run.before)]
    assert "eval_loss" in run.before


@row("the final model is saved, and the newest checkpoints; none is called the best")
def test_the_newest_checkpoints_are_kept(file, grao, tmp_path):
    words = ["--dataset-name", file, "--save-steps", 1, "--save-total-limit", 2, "--output-dir", tmp_path]
    assert grao("train", *words, **SFT | {"max_steps": 4})[0] == 0
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]
    final, _ = language_policy(Config(model_name_or_path=str(tmp_path / "model")), torch.device("cpu"))
    last, _ = language_policy(Config(model_name_or_path=str(tmp_path / "checkpoint-4")), torch.device("cpu"))
    assert torch.equal(weights(final.model), weights(last.model))
    assert not list(tmp_path.rglob("*best*"))


@row("metrics.jsonl holds every step and every count")
@row("the command trains")
def test_the_command_trains_and_writes_each_step(a_run, metrics_of):
    rows = metrics_of(a_run)
    assert [entry["step"] for entry in rows] == [0, 1, 2]
    assert all({"num_tokens", "loss", "completions/mean_length"} <= set(entry) for entry in rows[1:])
    trained, start = (
        language_policy(Config(model_name_or_path=name), torch.device("cpu"))[0].model
        for name in (str(a_run / "model"), "tiny")
    )
    assert not torch.equal(weights(trained), weights(start))


@row("a resumed run goes on exactly as it would have")
def test_the_last_step_after_a_stop_is_the_last_step_without_one(a_run, file, grao, metrics_of, tmp_path):
    shutil.copytree(a_run / "checkpoint-1", tmp_path / "1" / "checkpoint-1")
    shutil.copy(a_run / "metrics.jsonl", tmp_path / "1")
    words = [
        "--config",
        a_run / "config.yaml",
        "--resume-from-checkpoint",
        tmp_path / "1",
        "--output-dir",
        tmp_path / "2",
    ]
    code, _, err = grao("train", *words)
    assert code == 0, err
    found, wanted = (metrics_of(folder)[-1] | {"step_time": 0} for folder in (tmp_path / "2", a_run))
    assert found == wanted
    assert parse(["--config", str(a_run / "config.yaml")]).max_steps == 2
