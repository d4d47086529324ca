"""Steps of decoding whose tensors stay where they are, as a GPU replays them: on a CPU, with a stand-in for the graph.

On a GPU they are tested in tests/gpu/test_replayed.py. Which models have them is in test_replays.py.
"""

import pytest
import torch

from grao_ref.policies import sampler, steps
from grao_ref.policies.cache import FixedLayer
from grao_ref.policies.causal_lm import CausalLMPolicy
from tests.policies.architectures import EOS, random_model
from tests.policies.test_causal_lm import LENGTHS, prompts_of, sampled
from tests.policies.test_sampler import GROUP, LENGTH, NAMES, SLIDING, any_policy, assert_same, rows_of, watched


def fixed(policy, prompts, eager=False):
    policy.replayed = not eager
    return sampled(policy, prompts)


@pytest.fixture
def captured(monkeypatch):
    """Steps are captured as on a GPU: what was recorded of the model's call is called again. Each one's rows."""
    rows = []

    class Graph:
        def __init__(self, step):
            self.step, self.tensors = step, (step.token, step.position, step.mask, step.place)
            step.logits = step._forward()

        def replay(self):
            step = self.step
            now = (step.token, step.position, step.mask, step.place)
            assert all(one is other for one, other in zip(self.tensors, now, strict=True))
            step.logits.copy_(step._forward())

    made = steps.step_of

    def captures(step):
        rows.append(len(step.token))
        return Graph(step)

    def step_of(model, cache, rows, left, *, replayed):
        step = made(model, cache, rows, left, replayed=replayed)
        if isinstance(step, steps.FixedStep):
            step.captured = left >= steps.PAYS
        return step

    monkeypatch.setattr(steps.FixedStep, "_capture", captures)
    monkeypatch.setattr(sampler, "step_of", step_of)
    return rows


@pytest.mark.parametrize("leave", [0, 0.5, 1])
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_eager_steps(name, leave, monkeypatch):
    monkeypatch.setattr(sampler, "LEAVE_REPLAYED", leave)
    policy, prompts = any_policy(name), prompts_of(LENGTHS)
    expected = fixed(policy, prompts, eager=True)
    calls = watched(policy)
    assert_same(fixed(policy, prompts), expected, name)
    masks = {call["attention_mask"].dim() for call in calls[1:]}
    assert masks == ({2} if name in SLIDING else {4})  # a window narrower than the answers is no fixed step's
    widths = {call["attention_mask"].shape[-1] for call in calls[1:]}
    assert len(widths) == (1 if name not in SLIDING else len(calls) - 1)


def test_prompts_without_padding_have_a_mask_too_because_places_are_not_written_yet():
    policy, prompts = any_policy("llama"), prompts_of([4, 4])
    expected = fixed(policy, prompts, eager=True)
    calls = watched(policy)
    assert_same(fixed(policy, prompts), expected, "llama")
    assert all(call["attention_mask"].shape[-1] == 4 + LENGTH for call in calls[1:])


def test_control_with_all_places_open_the_answers_differ(monkeypatch):
    policy, prompts = any_policy("llama"), prompts_of(LENGTHS)
    expected = fixed(policy, prompts, eager=True)
    hidden = steps._mask
    monkeypatch.setattr(steps, "_mask", lambda model, rows: (True, torch.ones_like(hidden(model, rows)[1])))
    assert not torch.equal(fixed(policy, prompts).ids, expected.ids)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_both_of_transformers_masks(name, attention):
    model = random_model(name).float()
    model.set_attn_implementation(attention)
    policy = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=LENGTH)
    prompts = prompts_of(LENGTHS)
    expected, found = fixed(policy, prompts, eager=True), fixed(policy, prompts)
    assert torch.equal(found.ids, expected.ids)
    torch.testing.assert_close(found.logprobs, expected.logprobs, atol=1e-4, rtol=1e-4)


def test_what_lay_in_memory_before_is_not_read(monkeypatch):
    """Masked or not, a NaN in the room for the answers would reach every answer."""
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda self, *size, **how: self.new_full(size, torch.nan, **how))
    policy = any_policy("llama")
    assert fixed(policy, prompts_of(LENGTHS)).logprobs.isfinite().all()


def test_a_captured_step_is_replayed_and_captured_anew_for_the_rows_that_stay(captured, monkeypatch):
    monkeypatch.setattr(sampler, "LEAVE_REPLAYED", 0.75)
    policy, prompts = any_policy("llama"), prompts_of(LENGTHS)
    expected = fixed(policy, prompts, eager=True)
    assert captured == []
    assert_same(fixed(policy, prompts), expected, "llama")
    assert len(captured) > 2
    assert captured == sorted(captured, reverse=True)
    assert captured[0] == GROUP * len(LENGTHS)


def test_a_few_tokens_are_not_worth_a_capture(captured):
    policy = CausalLMPolicy(random_model("llama"), eos_ids=(), max_completion_length=steps.PAYS)
    fixed(policy, prompts_of(LENGTHS))
    assert captured == []
    policy.max_completion_length += 1
    fixed(policy, prompts_of(LENGTHS))
    assert captured == [GROUP * len(LENGTHS)]


def test_a_step_is_told_how_many_tokens_may_follow(monkeypatch):
    """Where a few are left, the rows that stay are not worth a capture either."""
    monkeypatch.setattr(sampler, "LEAVE_REPLAYED", 0.99)
    policy, made, left_at = any_policy("llama"), sampler.step_of, []
    calls = watched(policy)

    def step_of(*about, **how):
        left_at.append((about[-1], len(calls)))  # a prefill, and a call for each token but the newest
        return made(*about, **how)

    monkeypatch.setattr(sampler, "step_of", step_of)
    fixed(policy, prompts_of(LENGTHS))
    assert len(left_at) > 2
    assert all(left == LENGTH - called for left, called in left_at)


def test_rows_of_steps_that_cannot_be_fixed_leave_as_from_eager_ones(monkeypatch):
    monkeypatch.setattr(sampler, "LEAVE_REPLAYED", -1)  # no row would leave
    policy, prompts = any_policy("mistral"), prompts_of(LENGTHS)
    calls = watched(policy)
    fixed(policy, prompts, eager=True)
    eager = rows_of(calls)
    calls.clear()
    fixed(policy, prompts)
    assert rows_of(calls) == eager
    assert eager[-1] < eager[0]  # the control


def test_answers_in_parts_are_the_same(captured):
    policy, prompts = any_policy("llama"), prompts_of(LENGTHS)
    whole = fixed(policy, prompts)
    rng = torch.Generator().manual_seed(0)
    assert_same(policy.sample(prompts, GROUP, temperature=1.0, rng=rng, parts=3), whole, "llama")
    assert captured[0] == GROUP * len(LENGTHS)
    assert captured[-1] <= GROUP


def test_every_layer_of_the_cache_is_fixed_or_none():
    from transformers import DynamicCache

    from grao_ref.policies.cache import fix, repeat_with_room

    model = any_policy("gemma3").model
    prompts = prompts_of([8])
    cache = DynamicCache(config=model.config)
    model(prompts.ids, past_key_values=cache, use_cache=True)
    repeat_with_room(cache, torch.tensor([0, 0]), 4)
    before = list(cache.layers)
    assert not fix(cache, torch.tensor([0]))
    assert cache.layers == before
    assert not any(isinstance(layer, FixedLayer) for layer in cache.layers)
