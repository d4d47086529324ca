"""The embedded task: its rule, its imperfect teacher, its base policy."""

import hashlib

import pytest
import torch
from hypothesis import given

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tiny import WEIGHTS, tiny_model
from grao_ref.pretrain import SETTINGS, pretrain
from grao_ref.tasks.sorting import ANSWER, END, EQUALS, LENGTH, Drafts, Sorting, characters
from tests.strategies import seeds


def drawn(seed: int = 0, batch: int = 50, task=Sorting):
    return task(batch).draw(torch.Generator().manual_seed(seed))


def reward_of(batch, answers) -> torch.Tensor:
    return Sorting(1).reward(batch, answers.ids[:, None], answers.mask[:, None])[:, 0, 0]


@given(seeds)
def test_prompts_are_five_different_digits_and_the_teacher_swaps_one_pair_of_neighbours(seed):
    batch = drawn(seed)
    digits = batch.prompts.ids[:, :LENGTH]
    best = digits.sort(-1).values
    assert (best.diff() > 0).all()
    assert (batch.prompts.ids[:, LENGTH] == EQUALS).all()
    wrong = batch.references.ids[:, :LENGTH] != best
    assert (wrong.sum(-1) == 2).all()
    first, last = wrong.int().argmax(-1), LENGTH - 1 - wrong.int().flip(-1).argmax(-1)
    assert (last - first == 1).all()
    torch.testing.assert_close(reward_of(batch, batch.references), torch.full((50,), 4 / 6))
    assert torch.equal(batch.rejected.ids[:, :LENGTH], digits)


def test_the_rejected_answer_is_worse_than_the_reference():
    batch = drawn(batch=500)
    assert 0.2 < reward_of(batch, batch.rejected).mean() < 0.4


def test_rule_by_hand():
    batch = drawn(batch=1)
    digits = batch.prompts.ids[0, :LENGTH].sort().values.tolist()
    perfect = [*digits, END]
    cases = {
        1.0: perfect,
        5 / 6: [*digits, digits[0]],  # never ends
        4 / 6: [digits[1], digits[0], *digits[2:], END],
        1 / 6: [digits[0]],
        0.0: [END],
    }
    for reward, answer in cases.items():
        ids = torch.tensor(answer)[None, None]
        assert Sorting(1).reward(batch, ids, torch.ones_like(ids, dtype=torch.bool)).item() == pytest.approx(reward)
    # tokens after the end, and padding, are ignored
    long = torch.tensor([*perfect, 3, 4])[None, None]
    assert Sorting(1).reward(batch, long, torch.arange(8)[None, None] < ANSWER).item() == 1
    assert Sorting(1).reward(batch, long, torch.arange(8)[None, None] < 3).item() == pytest.approx(0.5)


def test_drafts_are_mostly_shuffled_and_sometimes_sorted():
    batch = drawn(batch=5000, task=Drafts)
    perfect = (reward_of(batch, batch.references) == 1).float().mean().item()
    assert 0.08 < perfect < 0.14  # one in ten on purpose, one in 120 by chance
    assert torch.equal(batch.references.ids.sort(-1).values[:, :LENGTH], batch.prompts.ids[:, :LENGTH].sort(-1).values)


def test_the_base_policy_rarely_succeeds_and_has_room_to_learn():
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER + 2)
    batch = drawn(seed=1, batch=200)
    samples = policy.sample(batch.prompts, 4, temperature=1.0, rng=torch.Generator().manual_seed(0))
    rewards = Sorting(1).reward(batch, samples.ids, samples.mask)
    assert 0.3 < rewards.mean() < 0.45 < reward_of(batch, batch.references).mean()
    assert 0.01 < (rewards == 1).float().mean() < 0.15


def test_shipped_weights_are_small_and_fit_the_drafts_as_pretraining_left_them():
    assert WEIGHTS.stat().st_size < 2 * 2**20
    policy, batch = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER), drawn(2, 500, Drafts)
    scores = policy.logprobs(
        batch.prompts, batch.references.ids[:, None], batch.references.mask[:, None], temperature=1
    )
    assert scores.mean().item() == pytest.approx(-0.83, abs=0.04)  # what the last hundred steps of pretraining report


def test_pretraining_starts_from_nothing_and_repeats_itself():
    model = tiny_model(seed=SETTINGS.seed)
    policy = CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER)
    reports = pretrain(policy)
    first = next(reports).means()["reference/logp_per_token"]
    assert first == pytest.approx(-2.5, abs=0.3)  # log 1/12: all tokens are equally likely at the start
    digests = set()
    for _ in range(2):  # the same seed, the same bits
        model = tiny_model(seed=SETTINGS.seed)
        steps = pretrain(CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER))
        for _ in range(3):
            next(steps)
        digests.add(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())
    assert len(digests) == 1


def test_text():
    batch = drawn(batch=1)
    assert len(characters(batch.prompts.ids[0].tolist())) == 6
    assert characters(batch.references.ids[0].tolist()).endswith(".")


def test_bad_batch_is_named():
    with pytest.raises(ValueError, match="batch must be at least 1 prompt, got 0"):
        Sorting(0)
