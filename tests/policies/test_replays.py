"""Which models have steps of sampling that are replayed: `probe.replays`, on a CPU with fixed tensors and no graph."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, GPTNeoConfig, MistralConfig

from grao_ref.policies.build import policy_as_it_is
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.policies.probe import replays
from grao_ref.settings.config import Config
from tests.policies.architectures import EOS, SIZES, TOKENS
from tests.policies.families import tiny_model
from tests.policies.table_of_models import TRAINS, row_of
from tests.policies.test_causal_lm import CLOSE, prompts_of, sampled
from tests.policies.test_sampler import LENGTH
from tests.policies.test_steps import fixed


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3_text", "opt", "bloom", "mpt", "jamba", "gpt_neo", "xglm"])
def test_a_model_is_replayed_only_where_that_gives_what_it_says(family):
    """`replays` looks at few tokens; here the answers of twelve are compared. Where it says no, its reason is real."""
    row, policy = row_of(family)
    if row.result != TRAINS:
        pytest.skip(f"{family} is refused altogether")
    prompts = prompts_of([9, 2, 5])
    expected = fixed(policy, prompts, eager=True)
    if replays(policy.scorer):
        found = fixed(policy, prompts)
        assert torch.equal(found.ids, expected.ids)
        torch.testing.assert_close(found.logprobs, expected.logprobs, **CLOSE["deepseek_v3"])
    else:
        try:
            found = fixed(policy, prompts)
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return
        assert (found.logprobs - expected.logprobs).abs().max() > 1e-3


def test_a_model_that_counts_places_of_the_whole_width_is_not_replayed():
    policy = CausalLMPolicy(tiny_model("llama"), eos_ids=EOS, max_completion_length=LENGTH)
    assert replays(policy.scorer)  # the control
    inner = policy.model.forward

    def counting(*args, attention_mask=None, position_ids=None, **kwargs):
        if attention_mask is not None and attention_mask.dim() == 4:
            position_ids = position_ids + attention_mask.shape[-1]
        return inner(*args, attention_mask=attention_mask, position_ids=position_ids, **kwargs)

    policy.model.forward = counting
    assert not replays(policy.scorer)


def gpt_neo_with_a_window_of(size):
    torch.manual_seed(0)
    about = {"vocab_size": 24, "hidden_size": 32, "num_heads": 4, "num_layers": 2, "max_position_embeddings": 64}
    config = GPTNeoConfig(**about, attention_types=[[["global", "local"], 1]], window_size=size, initializer_range=0.3)
    return CausalLMPolicy(AutoModelForCausalLM.from_config(config), eos_ids=(), max_completion_length=30)


def test_a_model_that_counts_its_window_from_the_end_of_the_cache_is_not_replayed():
    """The window is wider than the answers of the trial, so that the room behind them shows it."""
    policy, prompts = gpt_neo_with_a_window_of(24), prompts_of([9, 2, 5])
    expected = fixed(policy, prompts, eager=True)
    assert not torch.equal(fixed(policy, prompts).ids, expected.ids)  # the reason
    assert not replays(policy.scorer)
    wide = gpt_neo_with_a_window_of(64)  # the control: as wide as all places
    expected = fixed(wide, prompts, eager=True)
    assert torch.equal(fixed(wide, prompts).ids, expected.ids)
    assert replays(wide.scorer)


def failing_on_four_dimensions(policy, error):
    inner = policy.model.forward

    def failing(*args, attention_mask=None, **kwargs):
        if attention_mask is not None and attention_mask.dim() == 4:
            raise error("of a model's own")
        return inner(*args, attention_mask=attention_mask, **kwargs)

    policy.model.forward = failing


def test_a_window_that_holds_the_trial_and_not_the_wide_cache_is_tried_too():
    about = {**SIZES, **TOKENS, "num_key_value_heads": 2, "sliding_window": 16}
    policy = CausalLMPolicy(
        AutoModelForCausalLM.from_config(MistralConfig(**about)), eos_ids=EOS, max_completion_length=4
    )
    assert replays(policy.scorer)  # the control
    failing_on_four_dimensions(policy, RuntimeError)
    assert not replays(policy.scorer)


@pytest.mark.parametrize("error", [IndexError, KeyError, NotImplementedError, UnboundLocalError])
def test_a_model_whose_code_fails_on_a_mask_of_four_dimensions_is_not_replayed(error):
    policy = CausalLMPolicy(tiny_model("llama"), eos_ids=EOS, max_completion_length=LENGTH)
    failing_on_four_dimensions(policy, error)
    assert not replays(policy.scorer)


def test_on_a_cpu_steps_are_eager_and_the_setting_says_so_elsewhere(monkeypatch):
    model, tokenizer = load_language_model("tiny", device=torch.device("cpu"))
    assert not policy_as_it_is(model, tokenizer, Config()).replayed
    whole = CausalLMPolicy.__init__

    def as_on_a_gpu(self, *args, **kwargs):
        whole(self, *args, **kwargs)
        self.replayed = replays(self.scorer)

    monkeypatch.setattr(CausalLMPolicy, "__init__", as_on_a_gpu)
    assert policy_as_it_is(model, tokenizer, Config()).replayed
    assert not policy_as_it_is(model, tokenizer, Config(sampler="eager")).replayed


@pytest.mark.parametrize("reads", [False, True])
def test_a_model_that_computes_with_the_number_of_tokens_in_the_cache_is_not_replayed(reads):
    """As Llama 4 does in layers without rotary positions, from 8,192 tokens on: far beyond a trial's answers."""
    policy = CausalLMPolicy(tiny_model("llama"), eos_ids=EOS, max_completion_length=LENGTH)
    layer = policy.model.model.layers[0].mlp
    inner, whole, scale = layer.forward, policy.model.forward, [1.0]

    def counting(*args, past_key_values=None, **kwargs):
        if past_key_values is not None:
            read = past_key_values.get_seq_length()  # to read it is no harm
            scale[0] = 1.0 + read // 8192 if reads else 1.0
        return whole(*args, past_key_values=past_key_values, **kwargs)

    layer.forward = lambda x: inner(x) * scale[0]
    policy.model.forward = counting
    assert replays(policy.scorer) == (not reads)


def test_under_autocast_it_is_tried_under_autocast_too():
    policy = CausalLMPolicy(tiny_model("llama"), eos_ids=EOS, max_completion_length=LENGTH, bf16=True)
    assert replays(policy.scorer)
    inner = policy.model.forward

    def failing(*args, attention_mask=None, **kwargs):
        if attention_mask is not None and attention_mask.dim() == 4 and torch.is_autocast_enabled("cpu"):
            raise RuntimeError("of a model's own")
        return inner(*args, attention_mask=attention_mask, **kwargs)

    policy.model.forward = failing
    assert not replays(policy.scorer)
    assert replays(replace(policy.scorer, bf16=False))  # the control


def test_an_earlier_adapter_samples_as_it_was():
    pytest.importorskip("peft", reason="needs the extra [peft]")
    model = tiny_model("llama")
    add_lora(model, r=2, alpha=4, target_modules=("all-linear",))
    policy = CausalLMPolicy(model, eos_ids=(), max_completion_length=LENGTH)
    policy.replayed = replays(policy.scorer)
    assert policy.replayed
    move(policy)
    earlier, prompts = policy.frozen(), prompts_of([9, 2, 5])
    before = sampled(policy, prompts)
    move(policy)
    now = sampled(policy, prompts)
    assert not torch.equal(now.ids, before.ids)  # the control
    assert torch.equal(sampled(earlier, prompts).ids, before.ids)
    assert torch.equal(sampled(policy, prompts).ids, now.ids)


def move(policy):
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in policy.parameters():
            tensor += torch.randn_like(tensor)
