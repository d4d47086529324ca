"""Every number of a step belongs to its own row: rewards, baselines, advantages, log-probabilities of several prompts.

The task's two rewards are fingerprints: they differ for every pair of a prompt and an answer.
"""

from dataclasses import replace

import pytest
import torch

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model
from grao_ref.records import Batch, Scores, Tokens
from grao_ref.settings.config import Config
from grao_ref.training.collect import collect
from tests.equations import twins
from tests.sorting_twin import ANSWER, END, Sorting

WEIGHTS = {"one": 2.0, "other": -0.5}
N, G = 5, 4
METHODS = {"grao": None, "grpo": 0.3, "ppo": 0.3}  # and their KL weight


def fingerprint(prompt: list[int], answer: list[int], prime: int) -> float:
    """A number in [0, 1) that any other prompt or answer changes."""
    number = 1
    for token in (*prompt, 99, *answer):
        number = (number * 31 + token + 1) % prime
    return number / prime


def rewards_of(prompt: list[int], answer: list[int]) -> tuple[float, float]:
    """Both rewards; the second has ten times the spread."""
    return fingerprint(prompt, answer, 10_007), 10 * fingerprint(prompt, answer, 10_009)


def rows_of(ids, mask) -> list:
    """The ids that the mask keeps, as lists."""
    if ids.dim() > 2:
        return [rows_of(*each) for each in zip(ids, mask, strict=True)]
    return [row[kept].tolist() for row, kept in zip(ids, mask, strict=True)]


class Fingerprints(Sorting):
    """Sorting's prompts and references, of different lengths, with these rewards."""

    reward_weights = WEIGHTS

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        batch = super().draw(rng)
        kept = torch.arange(ANSWER) < torch.tensor([6, 3, 5, 1, 4])[:, None]
        return replace(batch, references=Tokens(batch.references.ids, kept))

    def reward(self, batch, ids, mask):
        both = zip(rows_of(batch.prompts.ids, batch.prompts.mask), rows_of(ids, mask), strict=True)
        return Scores.complete(torch.tensor([[rewards_of(prompt, o) for o in group] for prompt, group in both]))


def policy_of(seed: int = 0) -> CausalLMPolicy:
    """The embedded model, moved a little, so that two of them differ."""
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=rng)
    return policy


def collected(method: str, parts: int) -> tuple[Batch, CausalLMPolicy, CausalLMPolicy]:
    """A batch, the policy that sampled it, and another one, the reference model."""
    config = Config(method=method, num_generations=G, gradient_accumulation_steps=parts, beta=METHODS[method])
    policy, frozen, rng = policy_of(1), policy_of(2), torch.Generator().manual_seed(0)
    task = Fingerprints(N)
    return collect(task.draw(rng), task, policy, frozen, config, rng), policy, frozen


def plainly(policy: CausalLMPolicy, prompt: list[int], answer: list[int]) -> list[float]:
    """log π of each token of one answer to one prompt, by a forward pass of its own."""
    logits = policy.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(answer)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_rewards_advantages_and_log_probabilities_are_those_of_their_own_row(method, parts):
    batch, policy, frozen = collected(method, parts)
    every = (batch.prompts, batch.samples, batch.references)
    prompts, answers, references = (rows_of(tokens.ids, tokens.mask) for tokens in every)
    assert len({(n, *answer) for n, group in enumerate(answers) for answer in group}) > N * G / 2  # rows differ
    for n, prompt in enumerate(prompts):
        both = torch.tensor([rewards_of(prompt, answer) for answer in answers[n]], dtype=torch.float64)
        total = (both @ torch.tensor(list(WEIGHTS.values()), dtype=torch.float64)).tolist()
        of_y = sum(w * r for w, r in zip(WEIGHTS.values(), rewards_of(prompt, references[n]), strict=True))
        assert batch.rewards.outputs[n].tolist() == pytest.approx(total, abs=1e-5)
        assert batch.rewards.reference[n].item() == pytest.approx(of_y, abs=1e-5)
        pool = "with_reference" if method == "grao" else "outputs"
        expected, expected_y = twins.advantages(total, of_y, pool)
        assert batch.advantages.outputs[n].tolist() == pytest.approx([float(a) for a in expected], abs=1e-4)
        if method == "grao":
            assert batch.advantages.reference[n].item() == pytest.approx(float(expected_y), abs=1e-4)
        for g, answer in enumerate(answers[n]):
            here = (n, g, slice(len(answer)))
            assert batch.samples.logprobs[here].tolist() == pytest.approx(plainly(policy, prompt, answer), abs=1e-4)
            if batch.reference_model is not None:
                of_it = batch.reference_model.samples[here].tolist()
                assert of_it == pytest.approx(plainly(frozen, prompt, answer), abs=1e-4)


def test_several_rewards_are_added_before_they_are_standardised():
    """The other order, each reward standardised and then added, gives other advantages."""
    batch, *_ = collected("grpo", 1)
    for n, prompt in enumerate(rows_of(batch.prompts.ids, batch.prompts.mask)):
        answers = rows_of(batch.samples.ids[n], batch.samples.mask[n])
        one, other = zip(*(rewards_of(prompt, answer) for answer in answers), strict=True)
        added = standardised([2 * a - 0.5 * b for a, b in zip(one, other, strict=True)])
        apart = [2 * a - 0.5 * b for a, b in zip(standardised(one), standardised(other), strict=True)]
        assert batch.advantages.outputs[n].tolist() == pytest.approx(added, abs=1e-4)
        again = standardised(apart)
        for wrong in (apart, again):  # control
            assert max(abs(a - b) for a, b in zip(added, wrong, strict=True)) > 0.02


def standardised(rewards) -> list[float]:
    return [float(a) for a in twins.advantages(rewards, 0.0, "outputs")[0]]
