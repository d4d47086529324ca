"""The scorer computes less than a forward pass of every whole sequence, and gets the same numbers and gradients."""

import copy
from itertools import pairwise

import pytest
import torch
from transformers import AutoModelForCausalLM, Cohere2Config, MistralConfig
from transformers.modeling_layers import GradientCheckpointingLayer

from grao_ref.equations.logprob import token_logprobs
from grao_ref.policies import outputs, parts
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.lora import add_lora
from grao_ref.policies.prefix import SWITCH
from grao_ref.policies.sampler import push_right, with_positions
from grao_ref.records import Tokens
from tests.policies.architectures import CONFIGS, EOS, SIZES, TOKENS, random_model
from tests.policies.test_causal_lm import CLOSE, prompts_of

LENGTHS, GROUP = [3, 6, 1, 5], 4
SLIDING = {
    "mistral": lambda: MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=3, **TOKENS),
    # scales its logits, so that its head is not all there is behind the hidden states; one of its two layers slides
    "cohere2": lambda: Cohere2Config(
        **SIZES,
        num_key_value_heads=2,
        sliding_window=4,
        layer_types=["sliding_attention", "full_attention"],
        logit_scale=0.5,
        **TOKENS,
    ),
}
every_model = pytest.mark.parametrize("name", [*CONFIGS, *SLIDING])


def model_of(name: str):
    if name in CONFIGS:
        return random_model(name)
    torch.manual_seed(0)
    config = SLIDING[name]()
    config.initializer_range = 0.3
    # eager attention rounds float64's smallest number to -inf in float32: NaN where a row sees padding alone
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(torch.float64)


def policy_of(model, **options) -> CausalLMPolicy:
    return CausalLMPolicy(model, eos_ids=EOS, max_completion_length=9, **options)


def answers_of(seed: int = 0, longest: int = 9):
    """Ragged answers, two of them empty; one prompt has none at all. Garbage stands behind the mask."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 24, (len(LENGTHS), GROUP, longest), generator=rng)
    lengths = torch.randint(1, longest + 1, (len(LENGTHS), GROUP), generator=rng)
    lengths[0, 1] = lengths[2, 3] = 0
    lengths[3] = 0
    return ids, torch.arange(longest) < lengths[..., None]


def plainly(policy: CausalLMPolicy, prompts: Tokens, ids, mask, temperature: float = 1.0):
    """One forward pass of all whole sequences, padding included, and an ordinary log-softmax."""
    left, group = push_right(prompts), ids.shape[1]
    sequences = torch.cat([left.ids.repeat_interleave(group, 0), ids.masked_fill(~mask, 0).flatten(0, 1)], dim=1)
    attended = torch.cat([left.mask.repeat_interleave(group, 0), mask.flatten(0, 1)], dim=1)
    logits = policy.model(**with_positions(sequences, attended), use_cache=False).logits[:, -ids.shape[2] - 1 : -1]
    return token_logprobs(logits.reshape(*ids.shape, -1), ids, mask, temperature=temperature)


def gradients(policy: CausalLMPolicy, scores, seed: int = 1):
    """Of a sum with random weights, for all parameters at once."""
    weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(seed), dtype=scores.dtype)
    found = torch.autograd.grad((scores * weights).sum(), list(policy.parameters())[:-2], allow_unused=True)
    shapes = [p.shape for p in list(policy.parameters())[:-2]]  # the critic's two are the last
    return torch.cat(
        [torch.zeros(shape).flatten() if g is None else g.flatten() for g, shape in zip(found, shapes, strict=True)]
    )


def compare(policy, prompts, ids, mask, temperature=1.0, close=1e-9):
    ours = policy.logprobs(prompts, ids, mask, temperature=temperature)
    theirs = plainly(policy, prompts, ids, mask, temperature)
    torch.testing.assert_close(ours, theirs, rtol=close, atol=close)
    assert not ours[~mask].any()
    found, expected = gradients(policy, ours), gradients(policy, theirs)
    assert ((found - expected).norm() / expected.norm()).item() < max(close, 1e-7)  # norms compute in float32 inside
    other = gradients(policy, policy.logprobs(prompts, ids, mask, temperature=temperature + 0.01))
    assert ((other - expected).norm() / expected.norm()).item() > 1e-4  # control: a hundredth of a degree is seen


def closeness(name: str) -> float:
    return CLOSE.get(name, {"rtol": 1e-9})["rtol"]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@every_model
def test_scores_and_gradients_are_those_of_whole_sequences(name, temperature, monkeypatch):
    monkeypatch.setattr(outputs, "pass_cost", lambda device: 3)  # so that there are several parts
    policy = policy_of(model_of(name))
    assert policy.scorer.head_alone == (name != "cohere2")
    compare(policy, prompts_of(LENGTHS), *answers_of(), temperature, closeness(name))


@pytest.mark.parametrize("side", ["left", "right"])
@every_model
def test_padding_of_prompts_and_answers_changes_nothing(name, side):
    policy, (ids, mask) = policy_of(model_of(name)), answers_of()
    wide = torch.cat([ids, torch.full_like(ids, 23)], dim=2), torch.cat([mask, torch.zeros_like(mask)], dim=2)
    ours = policy.logprobs(prompts_of(LENGTHS, side=side, extra=4), *wide, temperature=1.0)[..., : ids.shape[2]]
    close = closeness(name)
    torch.testing.assert_close(ours, plainly(policy, prompts_of(LENGTHS), ids, mask), rtol=close, atol=close)


@pytest.mark.parametrize("group", [GROUP, 1])
@every_model
def test_the_same_with_activation_checkpointing(name, group):
    policy, (ids, mask) = policy_of(model_of(name), checkpointing=True), answers_of()
    has_switch = hasattr(GradientCheckpointingLayer, SWITCH)  # of transformers 5.23, and not of 5.10
    assert policy.scorer.shares_prompts == (has_switch and name != "gpt2")  # whose code withholds the cache
    compare(policy, prompts_of(LENGTHS), ids[:, :group], mask[:, :group], close=closeness(name))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["llama", "qwen2_moe", "mistral"])
def test_the_same_with_an_adapter(name, checkpointing):
    pytest.importorskip("peft")
    torch.manual_seed(0)
    model = model_of(name)
    add_lora(model, r=2, alpha=4, target_modules=["q_proj", "v_proj", "o_proj"])
    policy = policy_of(model.to(torch.float64), checkpointing=checkpointing)
    for tensor in policy.parameters():
        torch.nn.init.normal_(tensor, std=0.1)  # an adapter starts as the identity
    compare(policy, prompts_of(LENGTHS), *answers_of())
    before, scored = policy.frozen(), policy.logprobs(prompts_of(LENGTHS), *answers_of(), temperature=1.0)
    with torch.no_grad():
        for tensor in policy.parameters():
            tensor.add_(0.1)
    torch.testing.assert_close(before.logprobs(prompts_of(LENGTHS), *answers_of(), temperature=1.0), scored.detach())


@every_model
def test_in_float32_gradients_are_as_close_to_those_of_float64_as_the_plain_way_s(name):
    """Both round. With twelve seeds they are 4e-7 to 1e-6 of the norm apart, and 5e-7 to 2e-6 from float64's.

    These are off by up to 6e-7 themselves, because transformers' norms compute in float32 whatever the weights are.
    """
    single = policy_of(model_of(name).float())
    double = policy_of(copy.deepcopy(single.model).double())
    prompts, answers = prompts_of(LENGTHS), answers_of()

    def of(policy, scores):  # the weights of the sum are float64's for all
        return gradients(policy, scores.double()).double()

    ours = of(single, single.logprobs(prompts, *answers, temperature=1.0))
    plain, exact = (of(policy, plainly(policy, prompts, *answers)) for policy in (single, double))
    apart, off, plain_off = ((a - b).norm() / exact.norm() for a, b in ((ours, plain), (ours, exact), (plain, exact)))
    print(f"{name}: {off:.1e} from float64, the plain way {plain_off:.1e}, one another {apart:.1e}")
    assert off < 1.5 * plain_off
    assert apart < 1.5e-6


@every_model
def test_values_and_scores_of_one_pass_are_those_of_two(name):
    policy, prompts, answers = policy_of(model_of(name)), prompts_of(LENGTHS), answers_of()
    torch.nn.init.normal_(policy.critic.weight)
    scores, values = policy.logprobs_and_values(prompts, *answers, temperature=0.7)
    torch.testing.assert_close(scores, policy.logprobs(prompts, *answers, temperature=0.7))
    torch.testing.assert_close(values, policy.values(prompts, *answers))
    assert values.std() > 0.1
    assert not values[~answers[1]].any()


def forwarded(policy: CausalLMPolicy):
    """Shapes of the inputs of the base model's passes from now on."""
    shapes = []
    policy.model.base_model.register_forward_pre_hook(
        lambda module, positional, named: shapes.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    return shapes


def test_a_shared_prompt_is_forwarded_once_and_rows_without_a_token_never():
    policy, prompts, (ids, mask) = policy_of(model_of("llama")), prompts_of(LENGTHS), answers_of()
    shapes = forwarded(policy)
    policy.logprobs(prompts, ids, mask, temperature=1.0)
    alive = int(mask.any(dim=-1).sum())
    assert shapes == [(3, 6), (alive, mask.sum(dim=-1).amax() - 1)]  # three prompts have an answer
    shapes.clear()
    policy.logprobs_and_values(prompts, ids, mask, temperature=1.0)
    assert len(shapes) == 2  # the critic's pass is the scorer's
    shapes.clear()
    assert not policy.logprobs(prompts, ids, torch.zeros_like(mask), temperature=1.0).any()
    assert shapes == []
    policy.logprobs(prompts, ids[:, :1], mask[:, :1], temperature=1.0)  # nothing to share
    assert [shape[0] for shape in shapes] == [3]


def test_parts_trim_what_they_save_more_than_a_pass_with(monkeypatch):
    policy, prompts, (ids, mask) = policy_of(model_of("llama")), prompts_of(LENGTHS), answers_of()
    shapes = forwarded(policy)
    monkeypatch.setattr(outputs, "pass_cost", lambda device: 2)
    policy.logprobs(prompts, ids, mask, temperature=1.0)
    _, *rows = shapes
    assert len(rows) > 1
    assert all(a < b for (_, a), (_, b) in pairwise(rows))
    padded = sum(count * width for count, width in rows) - int((mask.sum(dim=-1) - 1).clamp(min=0).sum())
    assert padded < int(mask.any(dim=-1).sum()) * (int(mask.sum(dim=-1).amax()) - 1) - int(mask.sum())


def test_parts_cover_every_row_once():
    lengths = [5, 0, 3, 9, 9, 1, 40, 41, 2]
    for cost in (0, 5, 50, 5000):
        found = parts.parts_of(lengths, pass_cost=cost)
        assert sorted(row for part in found for row in part) == [0, 2, 3, 4, 5, 6, 7, 8]
        assert all(lengths[part[-1]] == max(lengths[row] for row in part) for part in found)
        total = sum(len(part) * lengths[part[-1]] + cost for part in found)
        assert total <= 8 * 41 + cost
    assert len(parts.parts_of(lengths, pass_cost=0)) == 7  # lengths that differ
    assert parts.parts_of([0, 0], pass_cost=1) == []


def test_rows_are_never_scored_without_their_prompts(monkeypatch):
    policy, prompts = policy_of(model_of("llama")), prompts_of(LENGTHS)
    inner = policy.model.base_model.forward
    monkeypatch.setattr(
        policy.model.base_model, "forward", lambda *a, past_key_values=None, **named: inner(*a, **named)
    )
    with pytest.raises(RuntimeError, match="0 of 0 layers read their prompts' keys and values"):
        policy.logprobs(prompts, *answers_of(), temperature=1.0)
