"""run(10) == run(5) + resume(5): identical weights, rewards and order; and what a checkpoint refuses."""

import importlib.util
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref.methods.registry import BUILT_IN
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.train import main
from grao_ref.training.checkpoint import load_checkpoint, save_checkpoint
from grao_ref.training.loop import proceed, start
from grao_ref.training.resuming import checkpoints, find_checkpoint
from tests.command import rows_of
from tests.seals import resealed

SMALL = Config(max_steps=4, num_generations=4, per_device_train_batch_size=16)
BANDIT = replace(PRESETS["bandit"], num_seeds=5, max_steps=4, num_generations=4, optimizer="adam")
TIMING = {"step_time"}


def trained(config: Config, steps: int, folder=None, start_from=None):
    """The reports of the steps to `steps`, and the training that made them; a checkpoint is left in `folder`."""
    setup = prepare(config)
    training = start(setup.policy, config)
    if start_from is not None:
        load_checkpoint(start_from, training, config)
    reports = list(proceed(setup.task, training, replace(config, max_steps=steps)))
    if folder is not None:
        save_checkpoint(folder, training, config)
    return reports, training


def parameters_of(training) -> list[torch.Tensor]:
    return [p.detach().clone() for p in training.policy.parameters()]


@pytest.mark.parametrize("method", BUILT_IN)
@pytest.mark.parametrize("base", [SMALL, BANDIT], ids=["tiny", "bandit"])
def test_resuming_is_exact(base, method, tmp_path):
    assert_exact(replace(base, method=method, beta=None if BUILT_IN[method].kl_weight is None else 0.05), tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("psutil") is None, reason="the paged sampler needs psutil on a CPU")
def test_resuming_is_exact_with_the_paged_sampler(tmp_path, monkeypatch):
    monkeypatch.setattr("gc.collect", lambda *_: 0)  # it does so several times a step
    assert_exact(replace(SMALL, sampler="paged", temperature=0.7), tmp_path)


def assert_exact(config: Config, tmp_path):
    whole, at_once = trained(config, 4)
    first, _ = trained(config, 2, folder=tmp_path)
    second, resumed = trained(config, 4, start_from=tmp_path / "checkpoint-2")
    for a, b in zip(whole, first + second, strict=True):
        assert a.step == b.step
        assert torch.equal(a.batch.prompts.ids, b.batch.prompts.ids)
        assert {k: v for k, v in a.means().items() if k not in TIMING} == {
            k: v for k, v in b.means().items() if k not in TIMING
        }
        if a.batch.samples is not None:
            assert torch.equal(a.batch.samples.ids, b.batch.samples.ids)
    for p, q in zip(parameters_of(at_once), parameters_of(resumed), strict=True):
        assert torch.equal(p, q)


@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="needs the extra [peft]")
def test_resuming_is_exact_with_an_adapter_whose_dropout_draws_from_torch_s_own_generator(tmp_path):
    config = replace(SMALL, use_peft=True, lora_r=4, lora_dropout=0.5)
    torch.manual_seed(0)
    whole, at_once = trained(config, 4)
    torch.manual_seed(0)
    first, _ = trained(config, 2, folder=tmp_path)
    torch.manual_seed(0)
    second, resumed = trained(config, 4, start_from=tmp_path / "checkpoint-2")
    losses = [report.means()["loss"] for report in whole]
    assert losses == [report.means()["loss"] for report in first + second]
    for p, q in zip(parameters_of(at_once), parameters_of(resumed), strict=True):
        assert torch.equal(p, q)
    with resealed(tmp_path / "checkpoint-2"):  # control: with another state of the generator
        tensors = load_file(tmp_path / "checkpoint-2" / "training.safetensors")
        other = {"torch_rng": torch.Generator().manual_seed(1).get_state()}
        save_file(tensors | other, tmp_path / "checkpoint-2" / "training.safetensors")
    other, _ = trained(config, 4, start_from=tmp_path / "checkpoint-2")
    assert [report.means()["loss"] for report in other] != losses[2:]


def test_control_without_the_optimiser_or_the_random_generator_the_resumed_run_is_another(tmp_path):
    _, at_once = trained(SMALL, 4)
    trained(SMALL, 2, folder=tmp_path)
    for lost in ("optimiser", "generator"):
        setup = prepare(SMALL)
        training = start(setup.policy, SMALL)
        fresh = (training.optimizer.state_dict(), training.rng.get_state())
        load_checkpoint(tmp_path / "checkpoint-2", training, SMALL)
        if lost == "optimiser":
            training.optimizer.load_state_dict(fresh[0])
        else:
            training.rng.set_state(fresh[1])
        list(proceed(setup.task, training, SMALL))
        pairs = zip(parameters_of(at_once), parameters_of(training), strict=True)
        assert not all(torch.equal(p, q) for p, q in pairs), lost


def test_only_the_newest_checkpoints_stay_and_each_holds_a_whole_model(tmp_path):
    config = replace(SMALL, save_total_limit=2)
    setup = prepare(config)
    training = start(setup.policy, config)
    for _ in proceed(setup.task, training, config):
        save_checkpoint(tmp_path, training, config)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-3", "checkpoint-4"]
    assert find_checkpoint(tmp_path)[0].name == "checkpoint-4"
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint-4")
    for name, parameter in setup.policy.model.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter)
    assert not list(tmp_path.rglob("*.bin"))
    assert not list(tmp_path.rglob("*.pt"))
    assert not (tmp_path / "checkpoint-4" / "critic.safetensors").exists()  # grao has none


def test_a_checkpoint_of_a_method_with_a_critic_holds_it(tmp_path):
    _, training = trained(replace(SMALL, method="ppo"), 1, folder=tmp_path)
    saved = load_file(tmp_path / "checkpoint-1" / "critic.safetensors")
    assert torch.equal(saved["weight"], training.policy.critic.weight)
    assert saved["weight"].any()


def test_an_unfinished_checkpoint_is_not_found(tmp_path):
    trained(SMALL, 1, folder=tmp_path)
    (tmp_path / ".checkpoint-9.part").mkdir()
    assert find_checkpoint(tmp_path)[0].name == "checkpoint-1"


def test_other_settings_are_refused_by_name_and_free_ones_are_not(tmp_path):
    _, training = trained(BANDIT, 1, folder=tmp_path)
    with pytest.raises(ValueError, match=r"trained with other settings: imitation_coef was 0.5 and is 0.9"):
        load_checkpoint(tmp_path / "checkpoint-1", training, replace(BANDIT, imitation_coef=0.9))
    free = {"max_steps": 99, "eval_steps": 7, "num_generations_eval": 3, "report_to": ("tensorboard",)}
    load_checkpoint(tmp_path / "checkpoint-1", training, replace(BANDIT, **free))


def test_what_is_no_checkpoint_is_said(tmp_path):
    with pytest.raises(ValueError, match="is no checkpoint, and no folder that holds one"):
        find_checkpoint(tmp_path)
    _, training = trained(BANDIT, 1, folder=tmp_path)
    (tmp_path / "checkpoint-1" / "training.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"can't be used: training\.safetensors has 4 bytes, and was written with"):
        load_checkpoint(tmp_path / "checkpoint-1", training, BANDIT)


FLAGS = ["--num-generations", "4", "--per-device-train-batch-size", "16", "--eval-steps", "2"]
FLAGS += ["--max-eval-prompts", "20", "--save-steps", "2"]


def without_times(folder) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in TIMING} for row in rows_of(folder)]


def test_the_command_goes_on_where_it_was_and_its_metrics_and_model_are_those_of_one_run(tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*FLAGS, "--max-steps", "6", "--output-dir", str(whole)]) == 0
    assert main([*FLAGS, "--max-steps", "4", "--output-dir", str(parts)]) == 0
    resume = ["--config", str(parts / "config.yaml"), "--resume-from-checkpoint", str(parts)]
    assert main([*resume, "--max-steps", "6"]) == 0
    assert without_times(parts) == without_times(whole)
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (parts, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert (parts / "curves.png").exists()
    for folder in (parts / "checkpoint-6", parts / "model"):  # a whole model, its tokenizer beside it
        assert AutoTokenizer.from_pretrained(folder)("14=")["input_ids"] == [1, 4, 10]
    # going on from an earlier checkpoint forgets what came after it
    assert (
        main([*resume[:3], str(whole / "checkpoint-4"), "--max-steps", "4", "--output-dir", str(tmp_path / "x")]) == 0
    )
    assert [row["step"] for row in without_times(tmp_path / "x")] == [0, 1, 2, 3, 4]


def test_a_checkpoint_of_an_older_version_is_refused_in_a_line(tmp_path):
    """Its settings may read the same and mean other rows: it would go on, and not exactly."""
    config = PRESETS["bandit"]
    folder = save_checkpoint(tmp_path, start(prepare(config).policy, config), config)
    with resealed(folder) as about:
        about["format"] = 5
    with pytest.raises(ValueError, match=r"was written by another version of grao_ref \(format 5, this version has 4"):
        load_checkpoint(folder, start(prepare(config).policy, config), config)
    (folder / "manifest.json").rename(folder / "training.json")  # which older ones had
    with pytest.raises(ValueError, match=r"was written by another version of grao_ref \(format 3 or lower"):
        find_checkpoint(tmp_path)
