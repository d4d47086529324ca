"""Reasons for which settings of TRL's are not here, as what is done instead: evaluation, files, the machine.

test_words.py proves that TRL's names are refused with these reasons.
"""

import shutil
from types import SimpleNamespace

import pytest
import torch

from grao_ref import finetune
from grao_ref.policies.build import language_policy
from grao_ref.runs import hub
from grao_ref.runs.trackers import tracker_of
from grao_ref.settings.config import Config
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, ten, weights
from tests.command import parse

row = scripts_of("NOT_HERE")
SFT = {"method": "sft", **SMALL}


@row("a process for each GPU holds the whole model (torchrun); GRAOTrainer shards it")
def test_a_second_process_is_refused(monkeypatch, model, tokenizer):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="finetune trains in one process, and this is one of 2"):
        finetune(model, tokenizer, ten("prompt", "completion"), **SFT)
    monkeypatch.delenv("WORLD_SIZE")
    model.lm_head.to("meta")
    with pytest.raises(ValueError, match="the model must be on one device, and is on cpu, meta"):
        finetune(model, tokenizer, ten("prompt", "completion"), **SFT)


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
