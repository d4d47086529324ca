"""An adapter as a start (trl#2418, verl#3400, unsloth#2288), by the commands: trained further, or merged first."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref.policies.build import policy_of
from grao_ref.policies.embedded import tiny_folder, tiny_tokenizer
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.train import main
from grao_ref.training.loop import train
from tests.command import refused, rows_of

pytest.importorskip("peft", reason="needs the extra [peft]")
SMALL = ["--num-generations", "4", "--per-device-train-batch-size", "16", "--max-eval-prompts", "8"]
SMALL += ["--learning-rate", "1e-2", "--max-steps", "2"]
IDS = torch.tensor([[1, 4, 2, 0, 5, 10]])


@pytest.fixture(scope="module")
def sft(tmp_path_factory):
    """A run of SFT that trained an adapter of rank 4 on the embedded model."""
    folder = tmp_path_factory.mktemp("sft") / "run"
    flags = ["--method", "sft", "--use-peft", "--lora-r", "4", "--per-device-train-batch-size", "4", "--max-steps", "8"]
    assert main([*SMALL, *flags, "--output-dir", str(folder)]) == 0
    return folder


def started(sft, *flags) -> list[str]:
    return [*SMALL, "--model-name-or-path", str(sft / "model"), *map(str, flags)]


def adapter_in(folder) -> dict:
    return json.loads((folder / "adapter_config.json").read_text())


def logits(folder) -> torch.Tensor:
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder).eval()(IDS).logits


@pytest.mark.parametrize("flags", [[], ["--use-peft"], ["--use-peft", "--lora-r", "4"]], ids=["plain", "peft", "rank"])
def test_an_adapter_goes_on_being_trained_with_and_without_use_peft(sft, flags, tmp_path, capsys):
    assert main(started(sft, *flags, "--output-dir", tmp_path / "run")) == 0
    first, last = rows_of(tmp_path / "run")[0], rows_of(sft)[-1]
    for name in ("eval_reward", "eval_reference/logp_per_token"):
        assert first[name] == pytest.approx(last[name], abs=1e-6)  # it begins where the other run ended
    moved = last["eval_reference/logp_per_token"] - rows_of(sft)[0]["eval_reference/logp_per_token"]
    assert abs(moved) > 0.05  # control: the base is another start
    model = tmp_path / "run" / "model"
    assert adapter_in(model)["r"] == 4
    assert adapter_in(model)["base_model_name_or_path"] == str(tiny_folder())
    then, now = (load_file(folder / "adapter_model.safetensors") for folder in (sft / "model", model))
    assert then.keys() == now.keys()
    assert not all(torch.equal(then[name], now[name]) for name in then)
    assert (logits(model) - logits(sft / "model")).abs().max() > 1e-3
    assert AutoTokenizer.from_pretrained(model)("14=")["input_ids"] == [1, 4, 10]
    assert not (tmp_path / "run" / "base").exists()
    assert "Model: " + str(sft / "model") in capsys.readouterr().out


def test_the_reference_model_of_kl_and_dpo_is_the_adapter_as_it_was_loaded(sft, tmp_path):
    """Against the bare base, a first step's KL would not be 0, nor would DPO's loss be log 2."""
    names = {"num_generations": 4, "per_device_train_batch_size": 16, "max_eval_prompts": 8, "learning_rate": 1e-2}
    config = Config(model_name_or_path=str(sft / "model"), method="grpo", beta=0.1, **names)
    setup = prepare(config)
    reports = [report.means() for report, _ in zip(train(setup.task, setup.policy, config), range(3), strict=False)]
    assert abs(reports[0]["kl"]) < 1e-6
    assert reports[2]["kl"] > 1e-4  # and then it moves away
    bare = prepare(Config(**names)).policy
    samples = setup.policy.sample(setup.task.rows(range(8)).prompts, 4, temperature=1.0, rng=torch.Generator())
    with torch.no_grad():
        of_base = bare.logprobs(setup.task.rows(range(8)).prompts, samples.ids, samples.mask, temperature=1.0)
    assert (samples.logprobs - of_base).abs().max() > 0.1  # control: the bare base is far away
    config = Config(model_name_or_path=str(sft / "model"), method="dpo", **names)
    setup = prepare(config)
    losses = [
        report.means()["loss"] for report, _ in zip(train(setup.task, setup.policy, config), range(3), strict=False)
    ]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses[2] != pytest.approx(math.log(2), abs=1e-3)


def test_a_resumed_run_has_the_same_reference_model(sft, tmp_path):
    flags = ["--method", "grpo", "--beta", "0.1", "--save-steps", "2", "--lora-dropout", "0.1"]
    assert main([*started(sft, *flags), "--max-steps", "4", "--output-dir", str(tmp_path / "whole")]) == 0
    assert main([*started(sft, *flags), "--output-dir", str(tmp_path / "parts")]) == 0
    resume = ["--config", str(tmp_path / "parts" / "config.yaml"), "--resume-from-checkpoint", str(tmp_path / "parts")]
    assert main([*resume, "--max-steps", "4"]) == 0
    without = [
        [{k: v for k, v in row.items() if k != "step_time"} for row in rows_of(tmp_path / n)][-2:]
        for n in ("whole", "parts")
    ]
    assert without[0] == without[1]
    assert without[0][-1]["kl"] > 0


def test_merge_adapter_trains_the_whole_model(sft, tmp_path, capsys):
    assert main(started(sft, "--merge-adapter", "--output-dir", tmp_path / "run")) == 0
    assert "279,456 of 279,456 parameters trained" in capsys.readouterr().out
    first, last = rows_of(tmp_path / "run")[0], rows_of(sft)[-1]
    assert first["eval_reference/logp_per_token"] == pytest.approx(last["eval_reference/logp_per_token"], abs=1e-4)
    model = tmp_path / "run" / "model"
    assert not (model / "adapter_config.json").exists()
    assert logits(model).shape == logits(tiny_folder()).shape


def test_merge_adapter_and_use_peft_begin_another_adapter_whose_base_is_saved_beside_it(sft, tmp_path):
    flags = ["--merge-adapter", "--use-peft", "--lora-r", "2", "--save-steps", "1", "--output-dir"]
    assert main(started(sft, *flags, tmp_path / "run")) == 0
    torch.testing.assert_close(logits(tmp_path / "run" / "base"), logits(sft / "model"), rtol=1e-4, atol=1e-4)
    for name in ("model", "checkpoint-1", "checkpoint-2"):
        folder = tmp_path / "run" / name
        assert adapter_in(folder)["r"] == 2
        assert adapter_in(folder)["base_model_name_or_path"] == str(tmp_path / "run" / "base")
        assert (logits(folder) - logits(sft / "model")).abs().max() > 1e-4
    assert AutoTokenizer.from_pretrained(tmp_path / "run" / "base")("14=")["input_ids"] == [1, 4, 10]
    before = logits(tmp_path / "run" / "model")
    (tmp_path / "run").rename(tmp_path / "moved")  # base and adapter together
    flags = ["--model-name-or-path", str(tmp_path / "moved" / "model"), "--output-dir", str(tmp_path / "third")]
    assert main([*SMALL, *flags]) == 0
    assert adapter_in(tmp_path / "third" / "model")["base_model_name_or_path"] == str(tmp_path / "moved" / "base")
    assert not torch.equal(logits(tmp_path / "third" / "model"), before)
    over = ["--output-dir", str(tmp_path / "moved"), "--overwrite-output-dir"]
    assert main([*SMALL, *over]) == 0
    assert not (tmp_path / "moved" / "base").exists()  # another run's


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--use-peft", "--lora-r", "8"],
            "lora_r is 8, and the adapter that is trained further has 4: leave lora_r out",
        ),
        (["--lora-alpha", "64"], "lora_alpha is 64, and the adapter that is trained further has 32"),
        (["--lora-target-modules", "q_proj"], "lora_target_modules is ('q_proj',), and the adapter"),
        (["--lora-dropout", "1"], "lora_dropout must be below 1"),
        (["--merge-adapter", "--lora-dropout", "0.1"], "lora_dropout is for a LoRA adapter: use_peft adds one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_the_adapter_contradicts_is_refused_by_name_before_anything_is_written(
    sft, flags, words, tmp_path, capsys
):
    assert words in refused(main, started(sft, *flags, "--output-dir", tmp_path / "run"), capsys)
    assert not (tmp_path / "run").exists()


def test_settings_that_need_an_adapter_are_refused_without_one(tmp_path, capsys):
    for flags, words in (
        (["--merge-adapter"], "and tiny is none: no adapter_config.json is found there"),
        (["--lora-dropout", "0.1"], "lora_dropout is for a LoRA adapter: use_peft adds one"),
        (["--preset", "bandit", "--merge-adapter"], "merge_adapter is for language models"),
        (["--preset", "bandit", "--lora-dropout", "0.1"], "lora_dropout is for language models"),
    ):
        assert words in refused(main, [*SMALL, *flags, "--output-dir", tmp_path / "run"], capsys)
        assert not (tmp_path / "run").exists()


def test_a_model_in_memory_is_merged_by_its_owner():
    from grao_ref.policies.lora import add_lora

    model = AutoModelForCausalLM.from_pretrained(tiny_folder())
    add_lora(model, r=2, alpha=4)
    with pytest.raises(ValueError, match=r"merge_adapter is for a model by its name: call merge_and_unload\(\)"):
        policy_of(model, tiny_tokenizer(), Config(merge_adapter=True))
