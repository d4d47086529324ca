"""Expected updates of small bandits, exactly: every one of the K^G groups, weighted by its probability.

A softmax policy over K actions, each one a whole answer of length 1. The update is computed three
times: by autograd through the package's functions, by a closed form whose advantages come from the
plain Python twin, and by averaging sampled groups.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grao_ref import grao_objective, grao_objective_while_ahead, group_advantages
from grao_ref.equations.grpo import grpo_advantages
from tests.equations import twins
from tests.strategies import noise, seeds

POOLS = ("with_reference", "outputs")
OBJECTIVES = (grao_objective, grao_objective_while_ahead)
BETA, LAM = 0.5, 0.6


def all_groups(actions: int, size: int) -> torch.Tensor:
    """Every group there is, (K^G, G)."""
    return torch.tensor(list(itertools.product(range(actions), repeat=size)))


def enumerated(objective, logits, rewards, reference, groups, pool, beta=BETA, lam=LAM):
    """Value and gradient of E[J] over the given groups; their probabilities are constants, as eq-7 takes them."""
    logits = logits.clone().requires_grad_()
    logprobs = logits.log_softmax(-1)
    probability = logprobs[groups].sum(-1).exp().detach()
    A_o, A_y = group_advantages(rewards[groups], rewards[reference].expand(len(groups)), pool=pool)
    terms = objective(logprobs[groups], logprobs[reference].expand(len(groups)), A_o, A_y, beta=beta, lam=lam)
    value = (probability * terms.total).sum()
    return value.item(), torch.autograd.grad(value, logits)[0]


def closed_form(logits, rewards, reference, size, pool, repair):
    """The same in numpy, from thm-1's weights: Σ_groups P(group) [ Σ_i w_i (e_i − π) + w_y (e_y − π) ]."""
    pi = np.exp(logits) / np.exp(logits).sum()
    value, gradient, one_hot = 0.0, np.zeros(len(pi)), np.eye(len(pi))
    for group in itertools.product(range(len(pi)), repeat=size):
        A_o, A_y = twins.advantages([rewards[a] for a in group], rewards[reference], pool)
        w_o = [float((1 + LAM) * a / size) for a in A_o]
        w_y = float(BETA * A_y - LAM * sum(A_o) / size)
        w_y = max(w_y, 0.0) if repair else w_y
        probability = np.prod(pi[list(group)])
        for action, weight in [*zip(group, w_o, strict=True), (reference, w_y)]:
            value += probability * weight * np.log(pi[action])
            gradient += probability * weight * (one_hot[action] - pi)
    return value, gradient


@settings(max_examples=15)
@given(seeds, st.sampled_from([2, 3]), st.sampled_from(POOLS), st.sampled_from([0, 1]))
def test_enumeration_by_autograd_is_the_closed_form(seed, size, pool, repair):
    logits, rewards = noise((3,), seed), noise((3,), seed + 1)
    value, gradient = enumerated(OBJECTIVES[repair], logits, rewards, 1, all_groups(3, size), pool)
    expected_value, expected_gradient = closed_form(logits.numpy(), rewards.tolist(), 1, size, pool, repair)
    assert value == pytest.approx(expected_value, rel=1e-9, abs=1e-12)
    assert gradient.tolist() == pytest.approx(expected_gradient.tolist(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("pool", POOLS)
def test_sampled_groups_average_to_the_enumeration(pool):
    logits, rewards, count = noise((3,), 0), torch.tensor([0.0, 0.4, 1.0]).double(), 200_000
    _, exact = enumerated(grao_objective, logits, rewards, 1, all_groups(3, 4), pool)
    sampler = torch.Generator().manual_seed(0)
    groups = torch.multinomial(logits.softmax(-1).expand(count, 3), 4, replacement=True, generator=sampler)
    J_o, J_y = torch.zeros(count, 4, requires_grad=True).double(), torch.zeros(count, requires_grad=True).double()
    A_o, A_y = group_advantages(rewards[groups], rewards[1].expand(count), pool=pool)
    total = grao_objective(J_o, J_y, A_o, A_y, beta=BETA, lam=LAM).total.sum()
    w_o, w_y = torch.autograd.grad(total, (J_o, J_y))
    pi, one_hot = logits.softmax(-1), torch.eye(3, dtype=torch.float64)
    updates = (w_o[..., None] * (one_hot[groups] - pi)).sum(1) + w_y[:, None] * (one_hot[1] - pi)
    error = updates.std(0) / count**0.5
    assert ((updates.mean(0) - exact).abs() < 4.5 * error).all()
    assert (exact.abs() > 20 * error).any()  # control: the interval is narrow enough to tell 0 apart


@settings(max_examples=20)
@given(seeds, st.integers(2, 4))
def test_centred_rewards_without_the_deviation_are_the_policy_gradient(seed, size):
    # E[ 1/(G−1) Σ_i (R_i − μ) ∇log π(o_i) ] = ∇V, for any rewards: what dividing by σ gives up
    logits, rewards, groups = noise((3,), seed), noise((3,), seed + 1), all_groups(3, size)
    logits.requires_grad_()
    logprobs = logits.log_softmax(-1)
    centred = rewards[groups] - rewards[groups].mean(-1, keepdim=True)
    surrogate = (logprobs[groups] * centred).sum(-1) / (size - 1)
    (update,) = torch.autograd.grad((logprobs[groups].sum(-1).exp().detach() * surrogate).sum(), logits)
    (policy_gradient,) = torch.autograd.grad((logits.softmax(-1) * rewards).sum(), logits)
    torch.testing.assert_close(update, policy_gradient, rtol=1e-9, atol=1e-12)


def cosine_with_policy_gradient(rewards, size: int = 4) -> float:
    logits = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    (policy_gradient,) = torch.autograd.grad((logits.softmax(-1) * rewards).sum(), logits)
    _, update = enumerated(grao_objective, logits.detach(), rewards, 0, all_groups(3, size), "outputs", beta=0.0)
    return torch.nn.functional.cosine_similarity(update, policy_gradient, dim=0).item()


def test_thm_5_the_expected_update_is_parallel_to_the_policy_gradient_for_binary_rewards_only():
    assert cosine_with_policy_gradient(torch.tensor([1.0, 0, 0]).double()) == pytest.approx(1, abs=1e-12)
    assert cosine_with_policy_gradient(torch.tensor([1.0, 0, 0.3]).double()) < 0.9999  # control: three levels


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_thm_3_share_of_dead_groups(size, p):
    groups, rewards = all_groups(2, size), torch.tensor([0.0, 1.0]).double()
    probability = torch.tensor([1 - p, p]).double()[groups].prod(-1)
    dead = ~grpo_advantages(rewards[groups]).any(-1)
    assert probability[dead].sum().item() == pytest.approx(p**size + (1 - p) ** size)
    # with a reference of reward 1 only the groups that succeed throughout stay dead
    _, A_y = group_advantages(rewards[groups], torch.ones(len(groups)).double())
    assert probability[A_y == 0].sum().item() == pytest.approx(p**size)
