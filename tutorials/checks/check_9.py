"""What the answers to exercise 9 must do. Each message is a hint."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from grao_ref import group_advantages, likelihood_weights
from grao_ref.equations.grpo import grpo_advantages
from grao_ref.equations.ppo import ppo_objective
from theory.family import closed_form, group

Answer = Callable[..., Any]


def check_leave_one_out(answer: Answer) -> None:
    """By hand; the sum is 0; PPO's weights up to a factor."""
    got = answer([1.0, 0.0])
    assert got == pytest.approx([0.5, -0.5]), (
        "two samples, 1 and 0: for the first, the mean of the others is the second's reward, 0. "
        f"The difference is 1, so its weight is 1/2, not {got[0]:.4g}"
    )
    assert answer([1.0, 0.0, 0.5]) == pytest.approx([0.25, -0.25, 0.0]), (
        "rewards 1, 0, 0.5: for the first, the mean of the others is 0.25, so its weight is 0.75 / 3"
    )
    rewards = torch.rand(
        7, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).tolist()
    got = answer(rewards)
    assert sum(got) == pytest.approx(0.0, abs=1e-9), (
        "the weights of a group add up to 0"
    )
    ppo, _ = closed_form("PPO", group(rewards, 0.5, 0.2))
    assert got == pytest.approx((7 / 6 * ppo).tolist()), (
        "a group of seven: PPO's weights, with a critic at the group's mean, times 7/6"
    )


def check_clipped_weight(answer: Answer) -> None:
    """On-policy; within the clip; beyond it in all four cases; against autograd."""
    assert answer(1.0, 0.8, 4, 0.2) == pytest.approx(0.2), (
        "at a ratio of 1 the weight is A / G"
    )
    assert answer(1.1, 0.8, 4, 0.2) == pytest.approx(0.22), (
        "within the clip the slope is ρ A / G: the derivative of ρ in log π is ρ"
    )
    assert answer(1.3, 0.8, 4, 0.2) == 0, (
        "a good answer that has become 1.3 times as likely has weight 0: the clip applies"
    )
    assert answer(0.7, -0.8, 4, 0.2) == 0, (
        "a bad answer that has become 0.7 times as likely has weight 0: the clip applies"
    )
    assert answer(0.7, 0.8, 4, 0.2) == pytest.approx(0.14), (
        "a good answer that has become *less* likely is pushed up in full: min() takes the unclipped term"
    )
    assert answer(1.3, -0.8, 4, 0.2) == pytest.approx(-0.26), (
        "a bad answer that has become *likelier* is pushed down in full: min() takes the unclipped term"
    )
    for ratio in (0.4, 0.75, 0.95, 1.25, 1.6):
        for advantage in (1.7, -0.3):
            logprob = torch.tensor(ratio, dtype=torch.float64).log()[None]
            logprob.requires_grad_()
            old, mask = torch.zeros(1).double(), torch.ones(1, dtype=torch.bool)
            ppo_objective(
                logprob,
                old,
                torch.tensor([advantage]).double(),
                mask,
                epsilon_low=0.3,
                epsilon_high=0.3,
            ).sum().backward()
            assert logprob.grad is not None
            expected = logprob.grad.item() / 8
            assert answer(ratio, advantage, 8, 0.3) == pytest.approx(
                expected, abs=1e-6
            ), (
                f"ρ = {ratio}, A = {advantage}, G = 8, ε = 0.3: autograd gives {expected:.4g}"
            )


def check_decompose(answer: Answer) -> None:
    """A dead group by hand, and random groups reconstructed from a, b and c."""
    a, b, c = answer([0.0] * 4, 1.0, 0.5, 0.6)
    assert c == pytest.approx(1.3), (
        f"four failures and a reference of 1: Â_y = 2, so its weight is (β + λ/4) · 2 = 1.3, not {c:.4g}"
    )
    assert b == pytest.approx(-0.8), (
        "four failures and a reference of 1: GRPO's weights are 0, but each sample has the weight (1 + λ) Â / 4 = −0.2. "
        f"This is b / 4, so b = −0.8, not {b:.4g}"
    )
    rng = torch.Generator().manual_seed(0)
    for size, beta, lam in ((2, 0.5, 0.6), (5, 0.0, 1.0), (8, 0.3, 0.0)):
        rewards = torch.rand(size, generator=rng, dtype=torch.float64)
        reference = torch.rand((), generator=rng, dtype=torch.float64)
        a, b, c = answer(rewards.tolist(), reference.item(), beta, lam)
        w_o, w_y = likelihood_weights(
            *group_advantages(rewards, reference), beta=beta, lam=lam
        )
        assert c == pytest.approx(w_y.item()), (
            f"c differs from the reference's weight for β = {beta}, λ = {lam}, G = {size}"
        )
        again = a * grpo_advantages(rewards) / size + b / size
        assert again.tolist() == pytest.approx(w_o.tolist()), (
            f"a group of {size}: a and b do not give the samples' weights. "
            "Both σ and μ change when the reference is added to the pool"
        )
