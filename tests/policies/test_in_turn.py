"""Micro-batches are sampled in turn: the samples are the same, and the cache is that of one micro-batch."""

from dataclasses import replace

import pytest
import torch

from grao_ref.policies import sampler
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import split
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.training.loop import train
from tests.policies.architectures import CONFIGS, EOS, random_model
from tests.policies.test_causal_lm import CLOSE, prompts_of
from tests.policies.test_sampler import rows_of, watched

LENGTHS, GROUP, LENGTH = [3, 5, 1, 4, 2, 6, 3], 4, 12


def policy_of(name, eos=EOS):
    return CausalLMPolicy(random_model(name), eos_ids=eos, max_completion_length=LENGTH)


def sampled(policy, parts, **options):
    rng = torch.Generator().manual_seed(0)
    samples = policy.sample(prompts_of(LENGTHS), GROUP, temperature=0.9, rng=rng, parts=parts, **options)
    return samples, torch.rand((), generator=rng)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("parts", [2, 4, 7, 100])
def test_the_samples_and_the_generator_do_not_depend_on_the_number_of_parts(name, parts):
    policy = policy_of(name)
    (whole, after), (turned, after_turns) = sampled(policy, 1), sampled(policy, parts)
    assert not whole.mask.all()  # answers of different lengths, also in different parts
    assert torch.equal(turned.ids, whole.ids)
    assert torch.equal(turned.mask, whole.mask)
    assert torch.equal(turned.ended, whole.ended)
    torch.testing.assert_close(turned.logprobs, whole.logprobs, **CLOSE[name])
    assert after == after_turns


def test_control_each_part_has_its_own_random_numbers(monkeypatch):
    """Without its place among all answers, every part would draw what the first one draws."""
    policy = policy_of("llama")
    whole, _ = sampled(policy, 1)
    decode = sampler.decode

    def from_the_start(model, prompts, group, choose, **options):
        offset = next(cell.cell_contents for cell in choose.__closure__ if isinstance(cell.cell_contents, int))
        return decode(model, prompts, group, lambda logits, rows, t: choose(logits, rows - offset, t), **options)

    monkeypatch.setattr(sampler, "decode", from_the_start)
    turned, _ = sampled(policy, 7)
    assert turned.ids.shape != whole.ids.shape or not torch.equal(turned.ids, whole.ids)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_no_more_rows_are_decoded_at_once_than_a_part_has(parts):
    policy = policy_of("llama", eos=())
    calls = watched(policy)
    sampled(policy, parts)
    largest = max(rows.stop - rows.start for rows in split(len(LENGTHS), parts))
    assert max(rows_of(calls)) == largest * GROUP
    assert (largest * GROUP < len(LENGTHS) * GROUP) == (parts > 1)


def test_a_part_is_as_wide_as_its_own_longest_prompt():
    policy = policy_of("llama", eos=())
    calls = watched(policy)
    sampled(policy, len(LENGTHS))
    prefills = [call["input_ids"].shape for call in calls if "logits_to_keep" in call]
    assert prefills == [(1, length) for length in LENGTHS]


def test_a_step_samples_as_many_rows_at_once_as_a_micro_batch_has_and_trains_the_same():
    def first_step(accumulation):
        size = 32 // accumulation
        setup = prepare(Config(max_steps=1, per_device_train_batch_size=size, gradient_accumulation_steps=accumulation))
        calls = watched(setup.policy)
        report = next(train(setup.task, setup.policy, setup.config))
        return report, max(
            call["input_ids"].shape[0] for call in calls if "past_key_values" in call and "attention_mask" not in call
        )

    (whole, at_once), (turned, in_turn) = first_step(1), first_step(4)
    assert (at_once, in_turn) == (32, 8)
    assert torch.equal(whole.batch.samples.ids, turned.batch.samples.ids)
    assert turned.means()["grad_norm"] == pytest.approx(whole.means()["grad_norm"], rel=1e-4)


def test_an_adapter_on_bfloat16_is_float32_and_trains():
    pytest.importorskip("peft", reason="needs the extra [peft]")
    config = Config(max_steps=1, per_device_train_batch_size=16, gradient_accumulation_steps=2, learning_rate=1e-3)
    setup = prepare(replace(config, dtype="bfloat16", use_peft=True))
    base = {name: p.clone() for name, p in setup.policy.model.named_parameters() if not p.requires_grad}
    report = next(train(setup.task, setup.policy, setup.config))
    assert report.means()["grad_norm"] > 0
    adapter = {name: p for name, p in setup.policy.model.named_parameters() if p.requires_grad}
    assert {p.dtype for p in adapter.values()} == {torch.float32}
    assert {p.dtype for p in base.values()} == {torch.bfloat16}
    assert any(p.abs().max() > 0 for name, p in adapter.items() if "lora_B" in name)  # 0 before the step
    now = dict(setup.policy.model.named_parameters())
    assert all(torch.equal(p, now[name]) for name, p in base.items())
