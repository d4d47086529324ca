"""The options of a causal LM as a policy: checkpointing, dropout, bfloat16, saving, the critic."""

import pytest
import torch
from transformers import AutoModelForCausalLM, FalconConfig
from transformers.modeling_layers import GradientCheckpointingLayer

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.modes import without_cudnn_attention
from grao_ref.policies.prefix import SWITCH
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Tokens
from tests.policies.architectures import CONFIGS, EOS, random_model
from tests.policies.test_causal_lm import CLOSE, prompts_of, sampled

PROMPTS = prompts_of([3, 5, 1])
every_architecture = pytest.mark.parametrize("name", CONFIGS)


def policy_of(model, **options):
    return CausalLMPolicy(model, eos_ids=EOS, max_completion_length=8, **options)


def scores(policy, samples):
    return policy.logprobs(PROMPTS, samples.ids, samples.mask, temperature=1.0)


def step(policy, samples, times=3, rate=0.05):
    """A few steps towards a random weighting of the samples."""
    weights = torch.randn(samples.mask.shape[:2], generator=torch.Generator().manual_seed(7))[..., None]
    optimizer = torch.optim.SGD(policy.parameters(), lr=rate)
    for _ in range(times):
        optimizer.zero_grad()
        (
            -(scores(policy, samples) * weights).sum() + (policy.values(PROMPTS, samples.ids, samples.mask) - 1).sum()
        ).backward()
        optimizer.step()


def gradients(policy, samples):
    parameters = list(policy.model.parameters())
    return torch.autograd.grad(scores(policy, samples).sum(), parameters, allow_unused=True)


@every_architecture
def test_checkpointing_changes_memory_and_nothing_else(name):
    plain, checkpointed = policy_of(random_model(name)), policy_of(random_model(name), checkpointing=True)
    samples = sampled(plain, PROMPTS)
    recomputed = []
    layer = checkpointed.model.base_model.layers if name != "gpt2" else checkpointed.model.base_model.h
    for module in layer[0].modules():
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D":
            module.register_forward_pre_hook(lambda *_: recomputed.append(1))
            break
    torch.testing.assert_close(scores(checkpointed, samples), samples.logprobs, **CLOSE[name])
    recomputed.clear()
    shares = name != "gpt2" and hasattr(GradientCheckpointingLayer, SWITCH)  # checkpointed layers read a cache
    # In another number of passes other terms are added up in float32, as RMSNorm is in a model of float64 too.
    close = CLOSE[name] if shares or name == "gpt2" else {"rtol": 1e-4, "atol": 1e-5}
    for ours, theirs in zip(gradients(checkpointed, samples), gradients(plain, samples), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, **close)
    passes = 2 if shares else 1  # the prompts' and the rows'
    assert len(recomputed) == 2 * passes  # forward, and once more in the backward pass
    assert not any(module.training for module in checkpointed.model.modules())
    assert torch.equal(sampled(checkpointed, PROMPTS).ids, samples.ids)


def falcon():
    """Reads its dropouts from the config."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 24}
    config = FalconConfig(**sizes, hidden_dropout=0.5, attention_dropout=0.5, initializer_range=0.3)
    return AutoModelForCausalLM.from_config(config).to(torch.float64)


def with_dropout(name):
    if name == "falcon":
        return falcon()
    model = random_model(name)  # GPT-2 has 0.1 wherever it can have dropout
    for layer in model.base_model.layers if name == "llama" else ():
        layer.self_attn.attention_dropout = 0.5
    return model


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "llama", "falcon"])
def test_a_model_with_dropout_scores_what_it_sampled(name, checkpointing):
    control = with_dropout(name).train()
    tokens = torch.arange(3, 23)[None]
    torch.manual_seed(0)
    assert (control(tokens).logits - control(tokens).logits).abs().max() > 1e-3  # it does drop out
    policy = policy_of(with_dropout(name), checkpointing=checkpointing)
    samples = sampled(policy, PROMPTS)
    torch.testing.assert_close(scores(policy, samples), samples.logprobs, rtol=1e-9, atol=1e-9)
    policy.model.train()  # even if another part of the code does not
    torch.testing.assert_close(policy.model(tokens).logits, policy.model(tokens).logits, rtol=0, atol=0)


def test_bfloat16_is_in_the_forward_pass_alone():
    exact, half = policy_of(random_model("llama").float()), policy_of(random_model("llama").float(), bf16=True)
    samples, same = sampled(half, PROMPTS), sampled(exact, PROMPTS)
    assert torch.equal(samples.logprobs, same.logprobs)  # a CPU decodes in float32
    ours, theirs = scores(half, samples), scores(exact, samples)
    assert ours.dtype == samples.logprobs.dtype == torch.float32
    assert half.values(PROMPTS, samples.ids, samples.mask).dtype == torch.float32
    # logits up to about 15 with 8 bits of mantissa: errors of a few hundredths, some of a few tenths
    torch.testing.assert_close(ours, samples.logprobs, rtol=0, atol=0.4)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.4)
    assert (ours - theirs).abs().mean() < 0.05
    assert (ours - theirs).abs().max() > 1e-4  # control: it was bfloat16
    before = [p.detach().clone() for p in half.parameters()]
    step(half, samples, times=1, rate=1e-6)  # a step that bfloat16 weights would round away
    after = list(half.parameters())
    assert {p.dtype for p in after} == {torch.float32}
    assert all(not torch.equal(now, then) for now, then in zip(after, before, strict=True) if now.grad.any())
    moved = before[1] - 1e-6 * torch.randn(before[1].shape)
    assert (moved.bfloat16() == before[1].bfloat16()).float().mean() > 0.99  # control: it would


@every_architecture
def test_a_model_is_saved_and_loaded(name, tmp_path):
    policy = policy_of(random_model(name))
    samples = sampled(policy, PROMPTS)
    step(policy, samples, times=1, rate=1e-3)
    policy.save(tmp_path)
    again = policy_of(random_model(name, seed=1))
    assert not torch.equal(scores(again, samples), scores(policy, samples))
    again.load(tmp_path)
    torch.testing.assert_close(scores(again, samples), scores(policy, samples), rtol=0, atol=0)
    assert torch.equal(again.critic.weight, policy.critic.weight)
    assert policy.critic.weight.any()


def test_a_critic_is_saved_only_where_there_is_one_and_an_older_folder_s_is_left(tmp_path):
    with_critic, without = policy_of(random_model("llama")), policy_of(random_model("llama"), critic=False)
    samples = sampled(without, PROMPTS)
    for folder, policy in (("with", with_critic), ("without", without)):
        (tmp_path / folder).mkdir()
        policy.save(tmp_path / folder)
        assert (tmp_path / folder / "critic.safetensors").exists() == (folder == "with")
        assert len(list(policy.parameters())) - len(list(policy.model.parameters())) == (2 if folder == "with" else 0)
    without.load(tmp_path / "with")
    without.frozen()
    with pytest.raises(ValueError, match="made without a critic"):
        without.values(PROMPTS, samples.ids, samples.mask)
    with pytest.raises(FileNotFoundError, match=r"critic\.safetensors"):
        with_critic.load(tmp_path / "without")


@pytest.mark.parametrize("kind", ["tabular", "llama"])
def test_a_frozen_copy_is_not_trained(kind, tmp_path):
    if kind == "tabular":
        policy = TabularPolicy(torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
        prompts = Tokens(torch.arange(3)[:, None], torch.ones(3, 1, dtype=torch.bool))
    else:
        policy, prompts = policy_of(random_model("llama")), PROMPTS
    frozen, samples = policy.frozen(), sampled(policy, prompts)
    said = [samples.ids, samples.mask]
    before = (policy.logprobs(prompts, *said, temperature=1.0).detach(), policy.values(prompts, *said).detach())
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    (policy.logprobs(prompts, *said, temperature=1.0).sum() + policy.values(prompts, *said).sum()).backward()
    optimizer.step()
    for now, then, same in zip(
        (policy.logprobs(prompts, *said, temperature=1.0), policy.values(prompts, *said)),
        before,
        (frozen.logprobs(prompts, *said, temperature=1.0), frozen.values(prompts, *said)),
        strict=True,
    ):
        assert (now - then).abs().max() > 1e-3
        assert torch.equal(same, then)
    if kind == "tabular":
        policy.save(tmp_path)
        frozen.load(tmp_path)
        assert torch.equal(frozen.theta, policy.theta)
        assert torch.equal(frozen.critic, policy.critic)
        assert frozen.theta.requires_grad


def test_samples_may_be_scored_at_another_temperature_than_they_were_drawn_at():
    policy = policy_of(random_model("llama"))
    dice = {"temperature": 0.7, "likelihood_temperature": 1.0}
    samples = policy.sample(PROMPTS, 6, rng=torch.Generator().manual_seed(0), **dice)
    assert torch.equal(samples.ids, sampled(policy, PROMPTS, temperature=0.7).ids)
    assert not torch.equal(samples.ids, sampled(policy, PROMPTS, temperature=1.0).ids)
    torch.testing.assert_close(scores(policy, samples), samples.logprobs, **CLOSE["llama"])
    table = TabularPolicy(torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64))
    prompts = Tokens(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool))
    drawn = table.sample(prompts, 4000, rng=torch.Generator().manual_seed(0), **dice)
    expected = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64).log_softmax(-1)[drawn.ids[0, :, 0]]
    torch.testing.assert_close(drawn.logprobs[0, :, 0], expected)
    share = (drawn.ids == 2).double().mean()  # at 0.7: e^2/0.7 / (1 + e^1/0.7 + e^2/0.7) = 0.7716; at 1: 0.6652
    assert abs(share - 0.7716) < 0.03


def test_ended_means_by_itself():
    samples = sampled(policy_of(random_model("llama")), PROMPTS, group=64)
    last = samples.ids.gather(-1, samples.mask.sum(-1, keepdim=True) - 1)[..., 0]
    by_itself = torch.isin(last, torch.tensor(EOS))
    assert torch.equal(samples.ended, by_itself)
    assert 0 < by_itself.sum() < by_itself.numel()
    full = samples.mask.all(-1)
    assert (full & samples.ended).any()  # an end at the last place is an end
    assert (samples.mask.sum(-1)[~samples.ended] == 8).all()


def test_a_policy_on_a_gpu_switches_cudnn_s_attention_off_and_one_on_a_cpu_does_not():
    """Its backward pass can give NaN (pytorch#196678); tests/gpu shows the gradient on a card."""
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        policy_of(random_model("llama").float())
        assert torch.backends.cuda.cudnn_sdp_enabled()
        without_cudnn_attention(torch.device("cuda"))
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.mem_efficient_sdp_enabled()  # the others stay
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
