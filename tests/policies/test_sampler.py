"""How the sampler decodes: rows that leave the batch, the cache's room, masks.

What it samples is in test_causal_lm.py, which models are refused in test_probe.py.
"""

from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoModelForCausalLM,
    DynamicCache,
    Gemma3TextConfig,
    MistralConfig,
)
from transformers.cache_utils import DynamicSlidingWindowLayer

from grao_ref.policies import sampler
from grao_ref.policies.cache import RoomyLayer, repeat_with_room
from grao_ref.policies.causal_lm import CausalLMPolicy
from tests.policies.architectures import CONFIGS, EOS, SIZES, TOKENS, random_model
from tests.policies.test_causal_lm import CLOSE, LENGTHS, policy_of, prompts_of, sampled

WINDOW = 4  # narrower than a prompt and its answer
SLIDING = {
    "mistral": lambda: MistralConfig(**SIZES, **TOKENS, num_key_value_heads=2, sliding_window=WINDOW),
    "gemma3": lambda: Gemma3TextConfig(  # full and sliding attention in turn
        **SIZES, **TOKENS, num_key_value_heads=2, head_dim=8, sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
    ),
}  # fmt: skip
NAMES = [*CONFIGS, *SLIDING]
GROUP, LENGTH = 6, 24


def any_policy(name: str, eos: tuple[int, ...] = EOS) -> CausalLMPolicy:
    if name in CONFIGS:
        return policy_of(name, eos=eos, length=LENGTH)
    torch.manual_seed(0)
    config = SLIDING[name]()
    config.initializer_range = 0.3 if name == "mistral" else 0.1  # so that answers differ in length
    model = AutoModelForCausalLM.from_config(config).to(torch.float64)
    return CausalLMPolicy(model, eos_ids=eos, max_completion_length=LENGTH)


def watched(policy: CausalLMPolicy) -> list[dict]:
    """The inputs of each of the model's calls from now on."""
    calls, forward = [], policy.model.forward

    def watching(*args, **kwargs):
        calls.append(kwargs)
        return forward(*args, **kwargs)

    policy.model.forward = watching
    return calls


def rows_of(calls: list[dict]) -> list[int]:
    """How many rows each round of decoding has, after the prefill."""
    return [call["input_ids"].shape[0] for call in calls[1:]]


def assert_same(samples, expected, name):
    assert torch.equal(samples.ids, expected.ids)
    assert torch.equal(samples.mask, expected.mask)
    assert torch.equal(samples.ended, expected.ended)
    torch.testing.assert_close(samples.logprobs, expected.logprobs, **CLOSE.get(name, CLOSE["llama"]))


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_what_they_are_where_no_row_ever_ends(name):
    """Nothing of a row depends on when others end: its tokens are those of endless answers, up to its first end."""
    prompts = prompts_of(LENGTHS)
    samples, endless = sampled(any_policy(name), prompts), sampled(any_policy(name, eos=()), prompts)
    lengths = samples.mask.sum(-1)
    assert lengths.min() <= 4 < 20 < lengths.max()  # so that rows left while others went on
    width = samples.ids.shape[-1]
    assert torch.equal(samples.ids, endless.ids[..., :width].where(samples.mask, 0))
    expected = endless.logprobs[..., :width].where(samples.mask, 0)
    torch.testing.assert_close(samples.logprobs, expected, **CLOSE.get(name, CLOSE["llama"]))
    assert not samples.logprobs[~samples.mask].any()  # exactly 0
    assert not endless.ended.any()


@pytest.mark.parametrize("name", NAMES)
def test_ended_rows_leave_the_batch_and_nothing_else_changes(name, monkeypatch):
    policy, prompts = any_policy(name), prompts_of(LENGTHS)
    calls = watched(policy)
    samples = sampled(policy, prompts)
    rows = rows_of(calls)
    lengths, expected, batch = samples.mask.sum(-1).flatten(), [], GROUP * len(LENGTHS)
    for t in range(1, samples.ids.shape[-1]):
        going = int((lengths > t).sum())
        batch = going if going <= 0.75 * batch else batch
        expected.append(batch)
    assert rows == expected
    assert len(set(rows)) > 2
    for leave in (0, 1):  # never, and at once
        monkeypatch.setattr(sampler, "LEAVE", leave)
        calls.clear()
        assert_same(sampled(policy, prompts), samples, name)
        at_once = [int((lengths > t).sum()) for t in range(1, samples.ids.shape[-1])]
        assert rows_of(calls) == (at_once if leave else [GROUP * len(LENGTHS)] * len(rows))


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_control_where_nothing_ends_all_rows_stay_to_the_last_token(name):
    policy = any_policy(name, eos=())
    calls = watched(policy)
    samples = sampled(policy, prompts_of(LENGTHS))
    assert rows_of(calls) == [GROUP * len(LENGTHS)] * (LENGTH - 1)
    assert samples.mask.all()


@pytest.mark.parametrize("patience", [3, 8, 100])
@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_looking_less_often_whether_rows_have_ended_changes_nothing(name, patience, monkeypatch):
    """As on a GPU. Rows decode on after their end, and leave at other tokens."""
    policy, prompts = any_policy(name), prompts_of(LENGTHS)
    samples = sampled(policy, prompts)
    monkeypatch.setitem(sampler.PATIENCE, "cpu", patience)
    calls = watched(policy)
    assert_same(sampled(policy, prompts), samples, name)
    lengths, expected, batch = samples.mask.sum(-1).flatten(), [], GROUP * len(LENGTHS)
    for tokens in range(1, LENGTH):
        going = int((lengths > tokens).sum())
        if tokens % patience == 0 and going <= 0.75 * batch:
            batch = going
        if not batch:
            break
        expected.append(batch)
    assert rows_of(calls) == expected
    assert len(expected) > patience or expected == [GROUP * len(LENGTHS)] * (LENGTH - 1)


def test_what_is_taken_from_the_generator_does_not_depend_on_the_answers():
    states = []
    for eos in (EOS, ()):
        rng = torch.Generator().manual_seed(0)
        any_policy("llama", eos).sample(prompts_of(LENGTHS), GROUP, temperature=1.0, rng=rng)
        states.append(rng.get_state())
    assert torch.equal(*states)


def test_answers_that_all_end_with_their_first_token():
    policy = any_policy("llama", eos=tuple(range(24)))
    samples = sampled(policy, prompts_of(LENGTHS))
    assert samples.ids.shape == (3, GROUP, 1)
    assert samples.ended.all()


def test_a_token_0_that_ends_answers_is_part_of_them_and_padding_is_not():
    samples = sampled(any_policy("llama", eos=(0,)), prompts_of(LENGTHS), group=40)
    ends = (samples.ids == 0) & samples.mask
    last = torch.arange(samples.ids.shape[-1]) == samples.mask.sum(-1, keepdim=True) - 1
    assert torch.equal(ends, last & samples.ended[..., None])
    assert 0 < samples.ended.sum() < samples.ended.numel()


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_is_given_where_a_prompt_is_padded_and_nowhere_else(name):
    policy = any_policy(name)
    calls = watched(policy)
    sampled(policy, prompts_of([4, 4]))
    assert len(calls) > 4
    assert not any("attention_mask" in call for call in calls)
    calls.clear()
    sampled(policy, prompts_of([4, 3]))
    assert [call["attention_mask"].shape[1] for call in calls] == list(range(4, 4 + len(calls)))
    assert all(int((call["attention_mask"] == 0).sum(1).max()) <= 1 for call in calls)


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_s_room_gives_what_transformers_own_cache_gives(name, monkeypatch):
    policy, prompts = any_policy(name), prompts_of(LENGTHS)
    samples = sampled(policy, prompts)
    monkeypatch.setattr(sampler, "repeat_with_room", lambda cache, prompts, length: cache.reorder_cache(prompts))
    assert_same(sampled(policy, prompts), samples, name)


def read(model, length: int, autocast: bool = False) -> DynamicCache:
    """Two prompts of four tokens, read and repeated three times, with room."""
    cache = DynamicCache(config=model.config)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        model(torch.arange(3, 11).view(2, 4), past_key_values=cache, use_cache=True)
        repeat_with_room(cache, torch.tensor([0, 0, 0, 1, 1, 1]), length)
    return cache


def next_logits(model, cache, tokens, autocast: bool = False):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        return model(tokens[:, None], past_key_values=cache, use_cache=True).logits[:, -1]


def test_tokens_are_written_into_the_room_and_nothing_is_moved():
    model, tokens = random_model("deepseek_v3"), torch.arange(6) + 3
    cache = read(model, 5)
    places = [(layer.keys.data_ptr(), layer.values.data_ptr()) for layer in cache.layers]
    for length in range(5, 10):
        next_logits(model, cache, tokens)
        assert [(layer.keys.data_ptr(), layer.values.data_ptr()) for layer in cache.layers] == places
        assert all(layer.keys.shape[2] == layer.values.shape[2] == length for layer in cache.layers)
    assert cache.get_seq_length() == 9
    control = DynamicCache(config=model.config)
    next_logits(model, control, tokens)
    before = control.layers[0].keys.data_ptr()
    next_logits(model, control, tokens)
    assert control.layers[0].keys.data_ptr() != before


def test_a_sliding_window_has_room_as_long_as_nothing_slides_out_of_it():
    model = any_policy("gemma3").model
    model.config.sliding_window = 7
    sliding, full = read(model, 3).layers
    assert isinstance(sliding, RoomyLayer)
    assert isinstance(full, RoomyLayer)
    sliding, full = read(model, 4).layers
    assert isinstance(sliding, DynamicSlidingWindowLayer)
    assert isinstance(full, RoomyLayer)


def test_under_autocast_keys_are_kept_in_bfloat16_and_the_logits_are_the_same():
    model, tokens = random_model("llama").float(), torch.arange(6) + 3
    cache, control = read(model, 5, autocast=True), DynamicCache(config=model.config)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model(torch.arange(3, 11).view(2, 4), past_key_values=control, use_cache=True)
        control.batch_repeat_interleave(3)
    for _ in range(4):
        assert torch.equal(next_logits(model, cache, tokens, True), next_logits(model, control, tokens, True))
    assert cache.layers[0].keys.dtype == torch.bfloat16
    assert control.layers[0].keys.dtype == torch.float32


class Casts(TorchDispatchMode):
    """How often each of a model's weights is cast to bfloat16."""

    def __init__(self, model):
        super().__init__()
        self.counts = {weight.data_ptr(): 0 for weight in model.parameters()}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and kwargs.get("dtype") == torch.bfloat16:
            place = args[0].data_ptr()
            self.counts[place] = self.counts.get(place, 0) + 1
        return func(*args, **kwargs)


def weight_casts(policy, **options):
    with torch.autocast("cpu", torch.bfloat16), Casts(policy.model) as casts:
        samples = sampled(policy, prompts_of(LENGTHS), **options)
    return [casts.counts[weight.data_ptr()] for weight in policy.model.parameters()], samples


def test_under_autocast_weights_that_are_not_trained_are_cast_once_not_with_each_token(monkeypatch):
    """As the weights under an adapter. They are cast to the same numbers, and are left as they were."""
    model = random_model("llama").float().requires_grad_(False)
    policy = CausalLMPolicy(model, eos_ids=[], max_completion_length=5)
    casts, samples = weight_casts(policy)
    assert set(casts) == {0, 1}  # 0: norms and embeddings, which aren't cast
    assert sum(casts) == 2 * 7 + 1
    assert not any(weight.requires_grad for weight in model.parameters())
    monkeypatch.setattr(sampler, "weights_cast_once", lambda model: nullcontext())
    anew, control = weight_casts(policy)
    assert set(anew) == {0, 5}
    assert torch.equal(samples.ids, control.ids)
    assert torch.equal(samples.logprobs, control.logprobs)


@pytest.mark.parametrize("enabled", [True, False])
def test_weights_are_marked_under_autocast_alone_and_as_they_were_after_an_error(enabled):
    model = random_model("llama").float().requires_grad_(False)
    first, *_ = model.parameters()
    first.requires_grad_(True)
    seen = []

    def marks():
        return [weight.requires_grad for weight in model.parameters()]

    def failing():
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled), sampler.weights_cast_once(model):
            seen.extend(marks())
            raise KeyError

    before = marks()
    with pytest.raises(KeyError):
        failing()
    assert seen == ([True] * len(before) if enabled else before)
    assert marks() == before


def test_a_model_whose_logits_are_nan_is_named():
    policy = any_policy("llama")
    policy.model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="no token can be drawn from logits that are NaN or infinite: prompt 0"):
        sampled(policy, prompts_of(LENGTHS))
