"""Steps of decoding that are captured and replayed on a GPU: the same answers as without, wherever a policy does it."""

from contextlib import contextmanager

import pytest
import torch

from grao_ref.policies import sampler, steps
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.lora import add_lora
from grao_ref.records import move
from tests.policies.architectures import CONFIGS, EOS, random_model
from tests.policies.test_causal_lm import LENGTHS, prompts_of

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]
CAPTURED = ("gpt2", "llama", "qwen2")  # mixtures of experts: where their kernel does not wait for the GPU
GROUP, LENGTH = 6, 40


def policy_on_gpu(name, **options):
    return CausalLMPolicy(random_model(name).float().to("cuda"), eos_ids=EOS, max_completion_length=LENGTH, **options)


def drawn(policy, *, replayed, seed=0):
    policy.replayed = replayed
    rng = torch.Generator("cuda").manual_seed(seed)
    return policy.sample(move(prompts_of(LENGTHS), torch.device("cuda")), GROUP, temperature=1.0, rng=rng)


@contextmanager
def counted_captures(monkeypatch):
    captures, capture = [], steps.FixedStep._capture
    monkeypatch.setattr(steps.FixedStep, "_capture", lambda self: captures.append(len(self.token)) or capture(self))
    yield captures
    monkeypatch.undo()


def assert_same(found, expected, atol=1e-4):
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(found.mask, expected.mask)
    torch.testing.assert_close(found.logprobs, expected.logprobs, atol=atol, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_replayed_answers_are_the_eager_ones(name, monkeypatch):
    policy = policy_on_gpu(name)
    if name in CAPTURED:
        assert policy.replayed
    elif not policy.replayed:
        pytest.skip(f"{name} is not replayed on this GPU with this torch and transformers")
    expected = drawn(policy, replayed=False)
    with counted_captures(monkeypatch) as captures:
        assert_same(drawn(policy, replayed=True), expected)
    assert captures[0] == GROUP * len(LENGTHS)


def test_rows_leave_and_the_others_are_captured_anew(monkeypatch):
    monkeypatch.setattr(sampler, "LEAVE_REPLAYED", 0.99)
    policy = policy_on_gpu("llama")
    expected = drawn(policy, replayed=False)
    with counted_captures(monkeypatch) as captures:
        assert_same(drawn(policy, replayed=True), expected)
    assert len(captures) > 1
    assert captures == sorted(captures, reverse=True)


@pytest.mark.parametrize("lora", [False, True])
def test_the_next_group_is_drawn_with_the_weights_as_they_are_then(lora):
    policy = policy_on_gpu("llama")
    if lora:
        model = random_model("llama").float().to("cuda")
        add_lora(model, r=4, alpha=8, target_modules=("all-linear",))
        policy = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=LENGTH)
        assert policy.replayed
    before = drawn(policy, replayed=True)
    with torch.no_grad():
        for tensor in policy.parameters():
            tensor += 0.05 * torch.randn_like(tensor)
    after = drawn(policy, replayed=True)
    assert before.ids.shape != after.ids.shape or not torch.equal(before.ids, after.ids)  # the control
    assert_same(after, drawn(policy, replayed=False))


@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16])
def test_in_bfloat16_the_scorer_agrees_as_it_does_with_eager_steps(weights):
    model = random_model("llama").to(weights).to("cuda")
    policy = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=LENGTH, bf16=weights == torch.float32)
    off = {}
    for replayed in (False, True):
        samples = drawn(policy, replayed=replayed)
        prompts = move(prompts_of(LENGTHS), torch.device("cuda"))
        scores = policy.logprobs(prompts, samples.ids, samples.mask, temperature=1.0).detach()
        off[replayed] = (scores - samples.logprobs)[samples.mask].abs().mean().item()
    assert off[True] < max(0.02, 2 * off[False]), off


def test_a_model_that_waits_for_the_gpu_is_not_replayed(monkeypatch):
    model = random_model("llama").float().to("cuda")
    layer = model.model.layers[0].mlp
    plain = layer.forward
    monkeypatch.setattr(layer, "forward", lambda x: plain(x) if x.isfinite().all().item() else x)
    policy = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=LENGTH)
    assert not policy.replayed
    torch.nn.functional.dropout(torch.ones(8, device="cuda"))  # the default generator still works
    assert_same(drawn(policy, replayed=False), drawn(policy, replayed=False))


def test_no_more_memory_stays_taken_with_each_group():
    policy = policy_on_gpu("llama")
    taken = []
    for seed in range(6):
        drawn(policy, replayed=True, seed=seed)
        taken.append(torch.cuda.memory_reserved())
    assert taken[-1] <= taken[1]
