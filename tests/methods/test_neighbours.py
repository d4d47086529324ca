"""The methods that GRAO is raced against: each objective once more in plain Python, from its paper's formula."""

import math
from dataclasses import replace

import pytest
import torch

from grao_ref.methods.neighbours.bar import BAR
from grao_ref.methods.neighbours.capped import CAPPED
from grao_ref.methods.neighbours.chord import CHORD
from grao_ref.methods.neighbours.dr_grpo import DR_GRPO
from grao_ref.methods.neighbours.hpt import HPT
from grao_ref.methods.neighbours.luffy import LUFFY
from grao_ref.methods.neighbours.rloo import RLOO
from grao_ref.methods.neighbours.srft import SRFT
from grao_ref.methods.neighbours.surprise import SURPRISE
from grao_ref.methods.registry import method_of
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Rewards
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.loop import train
from tests.equations import twins
from tests.methods.test_objectives import CONFIG, REFERENCE_LENGTHS, SAMPLE_LENGTHS, G, T, given, mean

ALL = (RLOO, DR_GRPO, LUFFY, CHORD, SRFT, HPT, BAR, CAPPED, SURPRISE)
BETA, LAM, CLIP = 0.5, 0.6, 0.1
REWARDS = {  # R_1 … R_3, R(y) of two prompts
    "a sample is better": [(0.1, 0.9, 0.4, 0.6), (1.0, 0.0, 1.0, 0.2)],
    "the reference is ahead": [(0.1, 0.5, 0.4, 0.6), (0.0, 0.0, 0.0, 1.0)],
    "a sample is as good": [(0.1, 0.6, 0.4, 0.6), (1.0, 0.0, 0.5, 1.0)],
}


def batch_of(method, rewards):
    """Ragged answers of several tokens, and what the method itself makes of these rewards."""
    logprobs, batch = given()
    table = torch.tensor(rewards, dtype=torch.float64)
    known = Rewards.complete(table[:, :G], table[:, G])
    return logprobs, replace(batch, rewards=known, advantages=method.advantages(known, CONFIG))


def standardized(values, of):
    mu = sum(of) / len(of)
    sigma = math.sqrt(sum((each - mu) ** 2 for each in of) / len(of))
    return [(each - mu) / sigma if sigma else 0.0 for each in values]


def clip(new, old, advantage) -> float:
    return float(twins.clipped(new, old, advantage, CLIP, CLIP))


def expected(name, logprobs, batch, n, rewards) -> float:
    """The term of prompt n."""
    R, R_y = list(rewards[n][:G]), rewards[n][G]
    tokens, y_tokens = [range(length) for length in SAMPLE_LENGTHS[n]], range(REFERENCE_LENGTHS[n])
    new, old = logprobs.samples[n].tolist(), batch.samples.logprobs[n].tolist()
    log_y = logprobs.references[n].tolist()
    J_o = [mean(new[g][t] for t in tokens[g]) for g in range(G)]
    J_y = mean(log_y[t] for t in y_tokens)
    alone, pooled = standardized(R, R), standardized([*R, R_y], [*R, R_y])
    behind = all(r < R_y for r in R)

    def clipped(advantages):
        return mean(mean(clip(new[g][t], old[g][t], advantages[g]) for t in tokens[g]) for g in range(G))

    if name == "rloo":
        return sum((R[g] - (sum(R) - R[g]) / (G - 1)) / G * J_o[g] for g in range(G))
    if name == "dr_grpo":
        A = [r - sum(R) / G for r in R]
        sums = [sum(clip(new[g][t], old[g][t], A[g]) for t in tokens[g]) for g in range(G)]
        return sum(sums) / (G * T)
    if name == "luffy":
        f = mean(math.exp(log_y[t]) / (math.exp(log_y[t]) + 0.1) for t in y_tokens)
        return (G * clipped(pooled[:G]) + pooled[G] * f) / (G + 1)
    if name == "chord":
        pi = [math.exp(log_y[t]) for t in y_tokens]
        return 0.9 * clipped(alone) + 0.1 * mean(p * (1 - p) * log_y[t] for t, p in zip(y_tokens, pi, strict=True))
    if name == "srft":
        H = -mean(mean(old[g][t] for t in tokens[g]) for g in range(G))
        right = [r >= max(*R, R_y) for r in R]
        samples = mean((0.1 * math.exp(H) if right[g] else -1) * J_o[g] for g in range(G))
        trace = mean(clip(log_y[t], 0.0, pooled[G]) for t in y_tokens)
        return 0.5 * math.exp(-H) * J_y + trace + samples
    if name == "hpt":
        return J_y if behind else sum(alone[g] / G * J_o[g] for g in range(G))
    w_y = (BETA + LAM / G) * pooled[G] if behind else 0.0
    if name == "bar":
        bar = max(pooled[G], mean(pooled[:G]))
        return sum((1 + LAM) / G * (pooled[g] - bar) * J_o[g] for g in range(G)) + w_y * J_y
    factors = [1.0] * G
    if name == "surprise":
        surprise = [-mean(old[g][t] for t in tokens[g]) for g in range(G)]
        factors = [2 / (1 + math.exp(-pooled[g] * surprise[g])) for g in range(G)]
    return sum(factors[g] * (1 + LAM) / G * pooled[g] * J_o[g] for g in range(G)) + w_y * J_y


@pytest.mark.parametrize("rewards", REWARDS.values(), ids=REWARDS)
@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_objective_is_its_plain_python_twin(method, rewards):
    config = replace(CONFIG, beta=None, max_completion_length=T)
    logprobs, batch = batch_of(method, rewards)
    found = method.objective(logprobs, batch, config).objective * len(rewards) / method.denominator(batch, config)
    assert found.tolist() == pytest.approx(
        [expected(method.name, logprobs, batch, n, rewards) for n in range(len(rewards))], rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_an_unscored_sample_is_as_if_it_had_not_been_drawn(method):
    """The group without its last sample, and the group whose last sample could not be scored."""
    config = replace(CONFIG, beta=None, max_completion_length=T)
    logprobs, batch = batch_of(method, REWARDS["a sample is better"])
    scored = torch.tensor([[True, True, False]] * 2)
    left = replace(batch.rewards, outputs=batch.rewards.outputs.where(scored, 7.0), scored=scored)
    fewer = Rewards.complete(batch.rewards.outputs[:, :2], batch.rewards.reference)
    if method.weights is not None:
        w_o, w_y = method.weights(method.advantages(left, config), left, config)
        assert (w_o[:, 2] == 0).all()
        few_o, few_y = method.weights(method.advantages(fewer, config), fewer, config)
        lam = config.alignment_coef if method in (BAR, CAPPED) else 0.0
        scale = (BETA + lam / 3) / (BETA + lam / 2) if method in (BAR, CAPPED) else 1.0  # λ/G of a group of three
        torch.testing.assert_close(w_o[:, :2], few_o)
        torch.testing.assert_close(w_y, few_y * scale)
    unscored = replace(batch, rewards=left, advantages=method.advantages(left, config))
    moved = replace(logprobs, samples=logprobs.samples.where(scored[..., None], 5.0))
    torch.testing.assert_close(
        method.objective(logprobs, unscored, config).objective, method.objective(moved, unscored, config).objective
    )


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_it_is_trained_by_its_dotted_path_and_raises_the_reward(method):
    path = f"grao_ref.methods.neighbours.{method.name}.{method.name.upper()}"
    assert method_of(path) is method
    rewards = torch.tensor([1.0, 0.6, 0.0, 0.0]).double()
    task, policy = Bandit(rewards, 1, 200), TabularPolicy(torch.zeros(200, 4).double())
    changes = {"method": path, "learning_rate": 0.8, "num_generations": 8, "max_steps": 40}
    config = replace(PRESETS["bandit"], **changes)
    before = task.expected_reward(policy.theta).mean()
    *_, last = train(task, policy, config)
    assert task.expected_reward(policy.theta).mean() > before + 0.1
    assert {"loss", "reward"} <= set(last.means())


def test_what_merely_equals_the_reference_is_not_reinforced_by_the_bar_and_is_by_grao():
    rewards = Rewards.complete(torch.tensor([[0.6, 0.0, 0.0, 0.0]]), torch.tensor([0.6]))
    w_bar, w_y = BAR.weights(BAR.advantages(rewards, CONFIG), rewards, CONFIG)
    w_capped, _ = CAPPED.weights(CAPPED.advantages(rewards, CONFIG), rewards, CONFIG)
    assert w_bar[0, 0].abs() < 1e-6
    assert w_y == 0
    assert w_capped[0, 0] > 0.4


def test_rloo_needs_no_references_and_the_others_do():
    needs = {method.name: method.needs(CONFIG).references for method in ALL}
    assert {name for name, references in needs.items() if not references} == {"rloo", "dr_grpo"}


def test_a_reference_that_is_scored_above_every_sample_is_imitated_by_the_bar_for_good():
    for best in (0.0, 0.9, 1.0):  # whatever the policy has learned
        rewards = Rewards.complete(torch.tensor([[best] * 4]), torch.tensor([1.3]))
        assert BAR.weights(BAR.advantages(rewards, CONFIG), rewards, CONFIG)[1] > 0.5
