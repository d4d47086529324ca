"""Adapters of a causal LM as a policy: new and loaded ones, their reference model, their dropout, what is saved."""

import importlib.util
import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model, tiny_tokenizer
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora, keep_training, set_dropout
from tests.policies.architectures import CONFIGS, EOS, random_model
from tests.policies.test_causal_lm import CLOSE, prompts_of, sampled
from tests.policies.test_options import scores, step

pytest.importorskip("peft", reason="needs the extra [peft]")
PROMPTS = prompts_of([3, 5, 1])
ATTENTION = ("q_a_proj", "q_b_proj", "o_proj")  # DeepSeek's; its experts are no linear layers to peft
every_architecture = pytest.mark.parametrize("name", CONFIGS)


def policy_of(model, **options):
    return CausalLMPolicy(model, eos_ids=EOS, max_completion_length=8, **options)


def adapted(name, folder, **options):
    """A random model as a base that is on disk, with an adapter."""
    random_model(name).save_pretrained(folder / "from")
    model, kind = random_model(name), ATTENTION if name == "deepseek_v3" else ()
    model.config._name_or_path = model.name_or_path = str(folder / "from")
    torch.manual_seed(1)
    add_lora(model, r=4, alpha=8, target_modules=kind)
    return policy_of(model, **options)


@every_architecture
def test_an_adapter_is_trained_and_its_base_stays(name, tmp_path):
    policy, base = adapted(name, tmp_path, checkpointing=name == "qwen2"), policy_of(random_model(name))
    frozen = policy.frozen()
    samples = sampled(base, PROMPTS)
    torch.testing.assert_close(scores(policy, samples), samples.logprobs, **CLOSE[name])  # it begins as the identity
    kept = {n: p.detach().clone() for n, p in policy.model.named_parameters() if not p.requires_grad}
    assert len(kept) >= len(list(base.model.parameters()))
    assert all("lora" in n for n, p in policy.model.named_parameters() if p.requires_grad)
    step(policy, samples)
    now = dict(policy.model.named_parameters())
    assert all(torch.equal(now[n], p) for n, p in kept.items())
    assert {n for n, p in now.items() if p.requires_grad} == set(now) - set(kept)
    torch.testing.assert_close(scores(frozen, samples), samples.logprobs, **CLOSE[name])
    assert torch.equal(sampled(frozen, PROMPTS).ids, samples.ids)  # it samples as the base too
    assert torch.equal(frozen.greedy(PROMPTS).ids, base.greedy(PROMPTS).ids)
    assert not frozen.values(PROMPTS, samples.ids, samples.mask).any()
    assert (scores(policy, samples) - samples.logprobs).abs().max() > 0.01  # control: the trained policy is another
    assert list(frozen.parameters()) == []


@every_architecture
def test_the_reference_model_of_a_trained_adapter_is_the_policy_that_it_starts_from_not_its_base(name, tmp_path):
    policy, base = adapted(name, tmp_path), policy_of(random_model(name))
    samples = sampled(base, PROMPTS)
    step(policy, samples)  # as if it had been loaded: it is no longer the identity
    before, frozen = scores(policy, samples).detach(), policy.frozen()
    assert torch.equal(scores(frozen, samples), before)  # the KL of a first step is 0
    assert (before - samples.logprobs).abs().max() > 0.01  # control: against the base it would not be
    step(policy, samples)
    after = scores(policy, samples).detach()
    assert (after - before).abs().max() > 0.01
    assert torch.equal(scores(frozen, samples), before)
    assert torch.equal(scores(policy, samples), after)  # asking the reference model has left the policy as it was
    assert not scores(frozen, samples).requires_grad
    drawn = sampled(frozen, PROMPTS)
    torch.testing.assert_close(scores(frozen, drawn), drawn.logprobs, **CLOSE[name])


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_an_adapter_is_saved_and_loaded(name, tmp_path):
    policy = adapted(name, tmp_path)
    samples = sampled(policy, PROMPTS)
    step(policy, samples)
    (tmp_path / "model").mkdir()
    policy.save(tmp_path / "model")
    assert (tmp_path / "model" / "adapter_model.safetensors").exists()
    assert not (tmp_path / "model" / "model.safetensors").exists()
    assert not (tmp_path / "base").exists()
    again = adapted(name, tmp_path)
    assert not torch.equal(scores(again, samples), scores(policy, samples))
    again.load(tmp_path / "model")
    assert torch.equal(scores(again, samples), scores(policy, samples))
    assert torch.equal(again.critic.bias, policy.critic.bias)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float64)
    torch.testing.assert_close(loaded(PROMPTS.ids).logits, policy.model(PROMPTS.ids).logits, rtol=1e-6, atol=1e-6)


def test_a_base_in_a_relative_folder_is_named_so_that_it_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random_model("llama").save_pretrained("from")
    model = AutoModelForCausalLM.from_pretrained("from", dtype=torch.float64)
    torch.manual_seed(1)
    add_lora(model, r=4, alpha=8)
    policy_of(model).save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        tmp_path / "from"
    )
    monkeypatch.chdir("/")
    AutoModelForCausalLM.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_base_that_is_in_memory_alone_is_saved_beside_its_adapter_once(name, tmp_path):
    """As after a merge: neither the folder that the base was loaded from nor the hub has it."""
    model = random_model(name)
    model.config._name_or_path = model.name_or_path = ""
    torch.manual_seed(1)
    add_lora(model, r=4, alpha=8)
    policy = policy_of(model)
    samples = sampled(policy, PROMPTS)
    step(policy, samples)
    policy.save(tmp_path / "checkpoint-1")
    first = (tmp_path / "base" / "model.safetensors").stat().st_mtime_ns
    policy.save(tmp_path / "model")
    assert (tmp_path / "base" / "model.safetensors").stat().st_mtime_ns == first
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float64)
    torch.testing.assert_close(base(PROMPTS.ids).logits, random_model(name).eval()(PROMPTS.ids).logits)
    for folder in ("checkpoint-1", "model"):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / folder, dtype=torch.float64)
        torch.testing.assert_close(loaded(PROMPTS.ids).logits, policy.model(PROMPTS.ids).logits, rtol=1e-6, atol=1e-6)
    assert (base(PROMPTS.ids).logits - policy.model(PROMPTS.ids).logits).abs().max() > 0.01  # control


def test_a_base_that_was_saved_beside_its_adapter_is_checked_before_it_is_loaded(tmp_path):
    embedded = tiny_model()
    embedded.config._name_or_path = embedded.name_or_path = ""
    add_lora(embedded, r=4, alpha=8)
    policy = CausalLMPolicy(embedded, eos_ids=[1], max_completion_length=4)
    for folder in ("checkpoint-1", "model"):
        policy.save(tmp_path / folder)
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    load_language_model(str(tmp_path / "model"), device=torch.device("cpu"))  # control
    file = tmp_path / "base" / "model.safetensors"
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[-5] ^= 1  # a bit of a weight, which safetensors does not notice
    file.write_bytes(changed)
    words = r"the base in .*base is damaged: model.safetensors has changed since it was written: its SHA-256"
    with pytest.raises(ValueError, match=words):
        load_language_model(str(tmp_path / "model"), device=torch.device("cpu"))
    file.unlink()
    with pytest.raises(ValueError, match=r"is damaged: model\.safetensors is missing"):
        load_language_model(str(tmp_path / "model"), device=torch.device("cpu"))
    again = tiny_model()  # a run that goes on writes it again, manifest and all
    again.config._name_or_path = again.name_or_path = ""
    add_lora(again, r=4, alpha=8)
    CausalLMPolicy(again, eos_ids=[1], max_completion_length=4).save(tmp_path / "model")
    assert file.read_bytes() == whole
    load_language_model(str(tmp_path / "model"), device=torch.device("cpu"))


def test_an_adapter_on_a_layer_that_is_not_there_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"^lora_target_modules: .*q_prj") as caught:
        add_lora(random_model("llama"), r=4, alpha=8, target_modules=["q_prj"])
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="use_peft needs peft: pip install"):
        add_lora(random_model("llama"), r=4, alpha=8)


def test_an_adapter_s_weights_are_float32_on_a_base_in_half_precision():
    model = random_model("llama").bfloat16()
    add_lora(model, r=4, alpha=8)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    policy = policy_of(model)
    scores(policy, sampled(policy, PROMPTS)).sum().backward()


def test_an_adapter_is_trained_further_as_it_is_and_settings_that_it_contradicts_are_refused_by_name():
    model = random_model("llama")
    add_lora(model, r=4, alpha=8, target_modules=["q_proj", "v_proj"])
    keep_training(model, {})
    keep_training(model, {"lora_r": 4, "lora_alpha": 8, "lora_target_modules": ("v_proj", "q_proj")})
    for asked, words in (
        ({"lora_r": 8}, "lora_r is 8, and the adapter that is trained further has 4: leave lora_r out"),
        ({"lora_alpha": 16}, "lora_alpha is 16, and"),
        ({"lora_target_modules": ("q_proj",)}, r"lora_target_modules is \('q_proj',\), and .* has q_proj, v_proj"),
    ):
        with pytest.raises(ValueError, match=words):
            keep_training(model, asked)


def test_a_model_whose_adapter_can_not_be_trained_says_why():
    model = random_model("llama")
    add_lora(model, r=4, alpha=8)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="loaded for inference: load it with is_trainable=True"):
        keep_training(model, {})
    model = random_model("llama")
    add_lora(model, r=4, alpha=8)
    model.peft_config["second"] = model.peft_config["default"]
    with pytest.raises(ValueError, match="the model has the adapters default, second"):
        policy_of(model)


# Dropout


def gradients(policy, samples, seed=3):
    torch.manual_seed(seed)
    return torch.autograd.grad(scores(policy, samples).sum(), list(policy.parameters()), allow_unused=True)


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
def test_lora_dropout_is_in_the_forward_pass_with_gradient_and_nowhere_else(name, tmp_path):
    policy, plain = adapted(name, tmp_path, lora_dropout=0.5), adapted(name, tmp_path)
    samples = sampled(plain, PROMPTS)
    step(plain, samples)
    plain.save(tmp_path / "model")
    policy.load(tmp_path / "model")
    samples = sampled(plain, PROMPTS)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    drawn = sampled(policy, PROMPTS)
    assert torch.equal(drawn.ids, samples.ids)
    assert torch.equal(drawn.logprobs, samples.logprobs)  # the old log-probabilities
    with torch.no_grad():
        assert torch.equal(scores(policy, samples), scores(plain, samples))
    assert torch.equal(scores(policy.frozen(), samples), scores(plain, samples))
    assert torch.equal(torch.get_rng_state(), state)
    first, second = scores(policy, samples), scores(policy, samples)
    assert (first - second).abs().max() > 1e-3  # with gradient it drops out, each time anew
    assert torch.equal(scores(plain, samples), scores(plain, samples))  # control
    assert not any(module.training for module in policy.model.modules())
    config = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
    assert config["lora_dropout"] == 0
    policy.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "adapter_config.json").read_text())["lora_dropout"] == 0.5


def test_on_average_dropout_leaves_the_adapter_s_output_as_it_is(tmp_path):
    policy = adapted("llama", tmp_path, lora_dropout=0.3)
    layer = policy.model.base_model.layers[0].self_attn.q_proj
    torch.nn.init.normal_(layer.lora_B["default"].weight, generator=torch.Generator().manual_seed(0))
    inputs = torch.randn(1, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        exact = layer(inputs)
    torch.manual_seed(0)
    drawn = torch.cat([layer(inputs.expand(1000, -1)).detach() for _ in range(40)])
    error = drawn.std(0) / 40_000**0.5
    assert ((drawn.mean(0) - exact) / error).abs().max() < 5


def test_checkpointing_drops_the_same_inputs_again_in_the_backward_pass(tmp_path):
    plain, checkpointed = (adapted("llama", tmp_path, lora_dropout=0.5, checkpointing=each) for each in (False, True))
    samples = sampled(plain, PROMPTS)
    for policy in (plain, checkpointed):
        step(policy, samples, times=1)  # an adapter that is the identity has no gradient in A
        torch.manual_seed(5)
    plain.save(tmp_path / "model")
    checkpointed.load(tmp_path / "model")
    ours, theirs, others = (
        gradients(checkpointed, samples),
        gradients(plain, samples),
        gradients(plain, samples, seed=4),
    )
    found = [(a, b, c) for a, b, c in zip(ours, theirs, others, strict=True) if a is not None]
    assert len(found) >= 20
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b, _ in found)
    assert not any(torch.allclose(b, c, rtol=1e-3) for _, b, c in found)  # control: with other inputs dropped


def test_dropout_without_a_lora_adapter_is_refused():
    with pytest.raises(ValueError, match="lora_dropout is for a LoRA adapter: use_peft adds one"):
        policy_of(random_model("llama"), lora_dropout=0.1)
    set_dropout(random_model("llama"), 0.0)
