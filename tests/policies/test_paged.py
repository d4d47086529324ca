"""The paged sampler: its numbers are the scorer's, its draws the policy's, and nothing but its seed decides them."""

from dataclasses import replace

import pytest
import torch
import transformers
from scipy.stats import chisquare

from grao_ref import finetune
from grao_ref.policies import paged
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.records import Tokens
from grao_ref.settings.checks import check
from grao_ref.settings.presets import BANDIT
from tests.policies.architectures import EOS, VOCABULARY, random_model
from tests.policies.families import tiny_model
from tests.policies.test_causal_lm import prompts_of

LENGTHS, GROUP = [3, 5, 1], 8
pytest.importorskip("psutil")


@pytest.fixture(autouse=True)
def without_collections(monkeypatch):
    """The sampler collects garbage several times in a call, which takes a second with all that a test run imports."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


def policy_of(model=None, length: int = 6, **options) -> CausalLMPolicy:
    model = random_model("llama").float() if model is None else model
    policy = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=length, **options)
    policy.page()
    return policy


def drawn(policy, prompts=None, group: int = GROUP, temperature: float = 1.0, seed: int = 0, **options):
    prompts, rng = prompts_of(LENGTHS) if prompts is None else prompts, torch.Generator().manual_seed(seed)
    return policy.sample(prompts, group, temperature=temperature, rng=rng, **options)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_scores_are_the_scorer_s_at_whatever_temperature(temperature):
    policy = policy_of()
    samples = drawn(policy, temperature=temperature)
    scores = policy.logprobs(prompts_of(LENGTHS), samples.ids, samples.mask, temperature=temperature)
    torch.testing.assert_close(samples.logprobs, scores.detach(), rtol=2e-6, atol=2e-6)
    assert samples.ids.shape[:2] == (3, GROUP)
    lengths = samples.mask.sum(-1)
    assert lengths.min() < 3 < lengths.max() == 6
    ends = torch.isin(samples.ids, torch.tensor(EOS)) & samples.mask
    assert torch.equal(ends.any(-1), samples.ended)
    assert torch.equal(ends.int().argmax(-1)[samples.ended], lengths[samples.ended] - 1)  # the end is the last token
    untempered = drawn(policy, temperature=temperature, likelihood_temperature=1.3)
    expected = policy.logprobs(prompts_of(LENGTHS), samples.ids, samples.mask, temperature=1.3)
    assert torch.equal(untempered.ids, samples.ids)
    torch.testing.assert_close(untempered.logprobs, expected.detach(), rtol=2e-6, atol=2e-6)
    assert (untempered.logprobs - samples.logprobs).abs().max() > 0.1  # control
    assert not untempered.logprobs.requires_grad


def test_draws_follow_the_policy_within_and_between_groups():
    policy, prompt, group = policy_of(length=2), torch.tensor([[5, 6, 7]]), 240
    prompts = Tokens(prompt, torch.ones_like(prompt, dtype=torch.bool))
    ids = torch.cat([drawn(policy, prompts, group, seed=seed).ids[0] for seed in range(3)])
    with torch.no_grad():
        logits = policy.model(prompt).logits[0, -1]
    counts = torch.bincount(ids[:, 0], minlength=VOCABULARY)

    def p_value(temperature: float) -> float:
        expected = (logits.double() / temperature).softmax(-1)
        rare = expected * counts.sum() < 5
        pooled = [
            torch.cat([each[~rare], each[rare].sum()[None]]) for each in (counts.double(), expected * counts.sum())
        ]
        kept = pooled[1] > 0
        return chisquare(pooled[0][kept], pooled[1][kept]).pvalue

    assert p_value(1.0) > 1e-3
    assert p_value(0.8) < 1e-6  # control
    assert len(ids[:, 0].unique()) > 8  # a group's answers begin with different tokens


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_seed_alone_decides_and_nothing_else_is_changed(attention):
    model = random_model("llama").float()
    model.set_attn_implementation(attention)
    policy = policy_of(model)
    torch.manual_seed(5)
    state, weights = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    rng = torch.Generator().manual_seed(0)
    kept = rng.get_state()
    first, second = (policy.sample(prompts_of(LENGTHS), GROUP, temperature=1.0, rng=rng) for _ in range(2))
    assert first.ids.shape != second.ids.shape or not torch.equal(first.ids, second.ids)  # each step has its seed
    rng.set_state(kept)  # as a checkpoint does
    again = [policy.sample(prompts_of(LENGTHS), GROUP, temperature=1.0, rng=rng) for _ in range(2)]
    assert torch.equal(again[0].ids, first.ids)
    assert torch.equal(again[0].logprobs, first.logprobs)
    assert torch.equal(again[1].ids, second.ids)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.config._attn_implementation == attention
    assert not model.training
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in weights.items())


def test_an_adapter_samples_and_its_earlier_self_does_as_it_did():
    pytest.importorskip("peft")
    model = random_model("llama").float()
    add_lora(model, r=2, alpha=4, target_modules=["q_proj", "v_proj"])
    policy = policy_of(model)
    before, frozen = drawn(policy), policy.frozen()
    with torch.no_grad():
        for tensor in policy.parameters():
            tensor.add_(0.3)
    after = drawn(policy)
    scores = policy.logprobs(prompts_of(LENGTHS), after.ids, after.mask, temperature=1.0)
    torch.testing.assert_close(after.logprobs, scores.detach(), rtol=2e-6, atol=2e-6)
    assert not torch.equal(after.ids, before.ids) or not torch.equal(after.logprobs, before.logprobs)
    assert torch.equal(drawn(frozen).ids, before.ids)
    copy = policy_of().frozen()  # of a model without an adapter, a copy of the model
    assert copy.paged
    assert torch.equal(drawn(copy).ids, drawn(policy_of()).ids)


def test_answers_that_are_missing_are_named(monkeypatch):
    policy = policy_of()
    kind = type(policy.model.init_continuous_batching(generation_config=transformers.GenerationConfig()))
    given = kind.get_result

    def failing(self, **options):
        result = given(self, **options)
        if result is not None and result.request_id == "req_1":
            result.error = "no room\nfor it"
        return result

    monkeypatch.setattr(kind, "get_result", failing)
    with pytest.raises(
        ValueError, match=r"sampler paged gave 23 of 24 answers \(no room for it\): set sampler to decode"
    ):
        drawn(policy)


def test_a_thread_that_dies_is_named(monkeypatch):
    policy = policy_of()
    monkeypatch.setattr(policy.model, "forward", lambda *_, **__: 1 / 0)
    with pytest.raises(ValueError, match="sampler paged gave 0 of 24 answers"):
        drawn(policy)


def test_a_model_whose_paged_numbers_are_not_its_own_is_refused(monkeypatch):
    whole = paged._tensors
    monkeypatch.setattr(paged, "_tensors", lambda found: (*whole(found)[:2], whole(found)[2] - 0.01))
    with pytest.raises(ValueError, match="sampler paged gives log-probabilities that are not the model's"):
        policy_of()


def test_a_model_that_has_no_paged_cache_is_refused_in_one_line():
    with pytest.raises(ValueError, match="architecture jamba can't be trained here: sampling from a paged cache"):
        policy_of(tiny_model("jamba"))


def test_a_version_that_lacks_it_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(paged, "NEEDED", {"seed", "return_scores"})
    said = f"continuous batching with return_scores, which transformers {transformers.__version__} does not have"
    with pytest.raises(ValueError, match=said):
        policy_of()


def test_a_cpu_without_psutil_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(paged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="sampler paged needs psutil on a CPU: pip install psutil"):
        policy_of()


def test_the_setting_is_for_language_models_and_a_training_with_it_is_repeatable():
    with pytest.raises(ValueError, match="sampler paged is for language models"):
        check(replace(BANDIT, sampler="paged"))
    model, tokenizer = load_language_model("tiny", device=torch.device("cpu"))
    saved = {name: value.clone() for name, value in model.state_dict().items()}
    rows = [{"prompt": "31254=", "completion": "12345"}, {"prompt": "21354=", "completion": "12345"}]
    found = []
    for sampler in ("paged", "paged", "decode"):
        model.load_state_dict(saved)
        settings = {"max_steps": 2, "per_device_train_batch_size": 8, "max_completion_length": 6, "sampler": sampler}
        run = finetune(model, tokenizer, rows, reward_funcs=["exact"], **settings)
        found.append([(r.batch.samples.ids.tolist(), r.means()["loss"]) for r in run])
    assert found[0] == found[1] != found[2]
