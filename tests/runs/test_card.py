"""The model card beside a trained model."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from grao_ref.runs.card import base_id, write_card
from grao_ref.settings.config import Config, settings_of

REWARD = {"eval_reward": (0.36, 0.9), "eval_reference/logp_per_token": (-1.5, -0.5)}


def card_of(folder, config, ends=REWARD, reference=0.667):
    write_card(
        folder, config, name="its label", note="Method: its summary.", ends=ends, reference=reference, version="1.2.3"
    )
    return ModelCard.load(folder / "README.md")


@pytest.mark.parametrize("method", ["grao", "tests.extensions.rloo.RLOO"])
def test_the_card_is_what_the_hub_reads(method, tmp_path):
    config = Config(imitation_coef=0.25, method=method)
    card = card_of(tmp_path, config)
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-generation"
    assert card.data.tags == ["grao_ref", "grao" if method == "grao" else "rloo"]  # a name, not a path
    assert card.data.base_model is card.data.datasets is card.data.license is None  # the embedded ones are not there
    assert card.text.lstrip().startswith("# tiny, trained by its label")
    for line in (
        "| before training | 0.360 |",
        "| the references | 0.667 |",
        "| after training | 0.900 |",
        "Method: its summary.",
    ):
        assert line in card.text
    settings = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert settings.items() <= settings_of(config).items()
    assert settings["imitation_coef"] == 0.25
    assert Config(**{name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}) == config
    results = {result.metric_type: result for result in card.data.eval_results}
    assert results["reward"].metric_value == 0.9
    assert results["reward"].metric_name == "mean reward on held-out prompts"
    assert results["reference/logp_per_token"].metric_value == -0.5
    assert results["reward"].dataset_type == "sorting"


def test_models_and_data_of_the_hub_are_named_and_linked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(model_name_or_path="Qwen/Qwen2.5-0.5B", dataset_name="gsm8k", dataset_test_split="test")
    card = card_of(tmp_path, config)
    assert (card.data.base_model, card.data.base_model_relation) == ("Qwen/Qwen2.5-0.5B", "finetune")
    assert card.data.datasets == ["openai/gsm8k"]
    assert (card.data.eval_results[0].dataset_type, card.data.eval_results[0].dataset_split) == ("openai/gsm8k", "test")
    assert base_id(Config(model_name_or_path="gpt2")) == "gpt2"
    assert base_id(Config(model_name_or_path="smollm2")) == "HuggingFaceTB/SmolLM2-135M-Instruct"
    Path("Qwen/Qwen2.5-0.5B").mkdir(parents=True)  # control: the same name as a folder is no id
    assert base_id(config) is None


def test_a_path_of_this_machine_is_no_id_and_does_not_leave_it(tmp_path):
    home = tmp_path / "home" / "alice"
    (home / "private" / "my-model").mkdir(parents=True)
    config = Config(
        model_name_or_path=str(home / "private" / "my-model"),
        dataset_name=str(home / "private" / "rows.jsonl"),
        reward_funcs=(str(home / "head"), "exact"),
        output_dir=home / "out",
        judge_cache=home / "verdicts",
        resume_from_checkpoint=home / "out",
        judge_base_url="http://secret.example.test",
    )
    card = card_of(tmp_path, config)
    for private in ("alice", "secret", "private", str(tmp_path)):
        assert private not in card.content
    assert card.data.base_model is card.data.datasets is None
    assert card.text.lstrip().startswith("# my-model, trained by")
    assert "steps on `rows.jsonl`" in card.text
    settings = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert settings["reward_funcs"] == ["head", "exact"]


@pytest.mark.parametrize("merge", [False, True])
def test_an_adapter_s_card_names_its_base(merge, tmp_path):
    pytest.importorskip("peft", reason="needs the extra [peft]")
    start, model = tmp_path / "sft", tmp_path / "model"
    for folder in (start, model):
        folder.mkdir()
    settings = {"base_model_name_or_path": "Qwen/Qwen2.5-0.5B", "peft_type": "LORA", "task_type": "CAUSAL_LM"}
    (start / "adapter_config.json").write_text(json.dumps(settings))
    if not merge:
        (model / "adapter_config.json").write_text(json.dumps(settings))
    card = card_of(model, Config(model_name_or_path=str(start), merge_adapter=merge))
    assert card.data.base_model == "Qwen/Qwen2.5-0.5B"
    assert card.data.library_name == ("transformers" if merge else "peft")
    assert card.data.base_model_relation == ("finetune" if merge else "adapter")
    assert ("lora" in card.data.tags) != merge
    words = "It began with the adapter `sft`, merged into its base." if merge else "It goes on from the adapter `sft`."
    assert words in card.text


def test_a_run_without_a_reward_shows_what_it_was_evaluated_by(tmp_path):
    ends = {
        "eval_loss": (1.5, 0.75),
        "eval_rewards/accuracies": (0.5, 0.875),
        "eval_rewards/margins": (0, float("nan")),
    }
    card = card_of(tmp_path, Config(method="dpo"), ends, None)
    assert "mean reward" not in card.text
    assert "| accuracy of pairs | 0.500 | 0.875 |" in card.text
    assert "| loss | 1.500 | 0.750 |" in card.text
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {"loss": 0.75, "rewards/accuracies": 0.875}  # what could not be measured is left out


def test_a_table_is_no_transformers_model(tmp_path):
    card = card_of(tmp_path, Config(model_name_or_path="tabular", dataset_name="bandit"))
    assert card.data.library_name == "grao_ref"
    assert card.data.pipeline_tag is None
