"""The group sampler and the scorer of causal language models, on five architectures."""

import pytest
import torch

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.sampler import push_right
from grao_ref.records import Tokens
from tests.policies.architectures import CONFIGS, EOS, VOCABULARY, random_model

LENGTHS = [3, 5, 1]
CLOSE = {name: {"rtol": 1e-9, "atol": 1e-9} for name in CONFIGS}
CLOSE["deepseek_v3"] = {"rtol": 2e-6, "atol": 2e-6}  # its router computes in float32 whatever the model does
pytestmark = pytest.mark.parametrize("name", CONFIGS)


def prompts_of(lengths: list[int], seed: int = 0, side: str = "right", extra: int = 0) -> Tokens:
    """Random prompts, padded on one side with an id that would change the result if it were attended to."""
    width = max(lengths) + extra
    ids = torch.full((len(lengths), width), VOCABULARY - 1)
    mask = torch.zeros(len(lengths), width, dtype=torch.bool)
    rng = torch.Generator().manual_seed(seed)
    for row, length in enumerate(lengths):
        columns = slice(0, length) if side == "right" else slice(width - length, width)
        ids[row, columns] = torch.randint(3, VOCABULARY, (length,), generator=rng)
        mask[row, columns] = True
    return Tokens(ids, mask)


def policy_of(name: str, eos: tuple[int, ...] = EOS, length: int = 12) -> CausalLMPolicy:
    return CausalLMPolicy(random_model(name), eos_ids=eos, max_completion_length=length)


def sampled(policy: CausalLMPolicy, prompts: Tokens, group: int = 6, temperature: float = 1.0, seed: int = 0):
    return policy.sample(prompts, group, temperature=temperature, rng=torch.Generator().manual_seed(seed))


def test_greedy_is_generate_token_for_token(name):
    policy, prompts = policy_of(name), prompts_of([3, 5, 1, 4, 2, 6])
    ours, left = policy.greedy(prompts), push_right(prompts)
    theirs = policy.model.generate(
        left.ids,
        attention_mask=left.mask.long(),
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=list(EOS),
        pad_token_id=0,
    )[:, left.ids.shape[1] :]
    assert torch.equal(ours.ids[:, 0], theirs)
    assert ours.mask.sum(-1).unique().numel() > 1  # some ended early, so that ending was tested


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_scores_are_the_sampler_s_own(name, temperature):
    policy, prompts = policy_of(name), prompts_of(LENGTHS)
    samples = sampled(policy, prompts, temperature=temperature)
    scores = policy.logprobs(prompts, samples.ids, samples.mask, temperature=temperature)
    torch.testing.assert_close(scores, samples.logprobs, **CLOSE[name])
    other = policy.logprobs(prompts, samples.ids, samples.mask, temperature=temperature + 0.1)
    assert (other - samples.logprobs).abs().max() > 1e-3  # control
    assert not samples.logprobs.requires_grad
    assert scores.requires_grad


def test_answers_end_with_their_first_end_of_sequence_and_groups_differ(name):
    samples = sampled(policy_of(name, length=40), prompts_of(LENGTHS), group=16)
    lengths = samples.mask.sum(-1)
    assert (samples.mask == (torch.arange(samples.mask.shape[-1]) < lengths[..., None])).all()  # by length
    ends = torch.isin(samples.ids, torch.tensor(EOS)) & samples.mask
    assert (ends.sum(-1) <= 1).all()
    last = samples.ids.gather(-1, lengths[..., None] - 1)[..., 0]
    ended = torch.isin(last, torch.tensor(EOS))
    assert (ends.any(-1) == ended).all()
    assert (lengths[~ended] == 40).all()
    assert set(EOS) <= set(last.flatten().tolist())  # both of them were honoured
    assert all(len({tuple(row.tolist()) for row in group}) > 1 for group in samples.ids)


def test_padding_of_the_prompt_changes_nothing_wherever_it_is(name):
    policy = policy_of(name)
    reference = prompts_of(LENGTHS)
    samples = sampled(policy, reference)
    expected = policy.logprobs(reference, samples.ids, samples.mask, temperature=1.0)
    for side, extra in [("left", 0), ("left", 4), ("right", 3)]:
        other = prompts_of(LENGTHS, side=side, extra=extra)
        torch.testing.assert_close(
            policy.logprobs(other, samples.ids, samples.mask, temperature=1.0), expected, **CLOSE[name]
        )
        assert torch.equal(sampled(policy, other).ids, samples.ids)
    one = Tokens(reference.ids[:1, : LENGTHS[0]], reference.mask[:1, : LENGTHS[0]])  # alone, without any padding
    alone = policy.logprobs(one, samples.ids[:1], samples.mask[:1], temperature=1.0)
    torch.testing.assert_close(alone, expected[:1], **CLOSE[name])


def test_garbage_behind_the_answers_mask_changes_nothing(name):
    policy, prompts = policy_of(name), prompts_of(LENGTHS)
    samples = sampled(policy, prompts)
    mask = samples.mask.clone()
    mask[..., 3:] = False
    dirty = samples.ids.masked_fill(~mask, -100)
    clean = policy.logprobs(prompts, samples.ids[..., :3], mask[..., :3], temperature=1.0)
    scores = policy.logprobs(prompts, dirty, mask, temperature=1.0)
    torch.testing.assert_close(scores[..., :3], clean, **CLOSE[name])
    assert not scores[..., 3:].any()
    assert not policy.values(prompts, dirty, mask)[..., 3:].any()


def test_one_prefill_for_each_prompt_and_one_token_a_round(name):
    policy, prompts = policy_of(name, eos=(), length=4), prompts_of(LENGTHS)
    shapes, calls = [], policy.model.forward

    def counting(*args, **kwargs):
        shapes.append(tuple(kwargs["input_ids"].shape))
        output = calls(*args, **kwargs)
        shapes.append(tuple(output.logits.shape[:2]))
        return output

    policy.model.forward = counting
    sampled(policy, prompts, group=6)
    assert shapes == [(3, 5), (3, 1), *[(18, 1)] * 6]  # inputs and logits, in turn: prefill, then three rounds


def test_gradient_reaches_the_end_of_sequence_and_the_critic_sees_what_predicts(name):
    policy, prompts = policy_of(name, length=20), prompts_of(LENGTHS)
    samples = sampled(policy, prompts, group=8)
    ended = torch.isin(samples.ids, torch.tensor(EOS)) & samples.mask
    scores = policy.logprobs(prompts, samples.ids, samples.mask, temperature=1.0)
    gradients = torch.autograd.grad(scores[ended].sum(), list(policy.model.parameters()), allow_unused=True)
    assert max(g.abs().max() for g in gradients if g is not None) > 1e-3
    # V before the first token depends on the prompt only; later ones depend on the answer so far
    policy.critic.weight.data = torch.linspace(-1, 1, 32, dtype=torch.float64)[None]
    values = policy.values(prompts, samples.ids, samples.mask)
    torch.testing.assert_close(values[:, :1, 0].expand_as(values[..., 0]), values[..., 0], **CLOSE[name])
    assert values[..., 1].std() > 1e-3


def test_bad_input_is_named(without_shape_checks, name):
    model = random_model(name)
    with pytest.raises(ValueError, match=r"eos_ids must lie in \[0, 24\), got 24"):
        CausalLMPolicy(model, eos_ids=[1, 24], max_completion_length=3)
    for length in (0, 2.5):
        with pytest.raises(ValueError, match=f"max_completion_length must be a whole number above 0, got {length}"):
            CausalLMPolicy(model, eos_ids=[], max_completion_length=length)
    assert CausalLMPolicy(model, eos_ids=iter([2, 1, 2]), max_completion_length=3).eos_ids.tolist() == [1, 2]
    policy = CausalLMPolicy(model, eos_ids=[], max_completion_length=3)
    with pytest.raises(ValueError, match="every prompt needs at least one token, prompt 1 has none"):
        sampled(policy, Tokens(torch.zeros(2, 1).long(), torch.tensor([[True], [False]])))
    with pytest.raises(ValueError, match="temperature must be a finite number > 0, got 0"):
        sampled(policy, prompts_of([1]), temperature=0.0)


def test_where_answers_end_is_written_into_the_generation_config(name):
    model = random_model(name)
    policy = CausalLMPolicy(model, eos_ids=[2], max_completion_length=3)
    assert model.generation_config.eos_token_id == 2
    policy.stop_at([2, 5])
    assert (model.generation_config.eos_token_id, policy.eos_ids.tolist()) == ([2, 5], [2, 5])
    policy.stop_at([])
    assert model.generation_config.eos_token_id == [2, 5]
