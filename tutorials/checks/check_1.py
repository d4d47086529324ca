"""What the answers to exercise 1 must do. Each message is a hint."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grao_ref import grao_objective, group_advantages

Answer = Callable[..., Any]
FORMULAS = {
    "exploration": "it is the mean of Â_i J(o_i) over the samples",
    "imitation": "it is Â_y J(y), with neither 1/G nor β",
    "alignment": "it is the mean of Â_i (J(o_i) − J(y)) over the samples, without λ",
    "total": "it is exploration + β · imitation + λ · alignment",
}


def check_advantages(answer: Answer) -> None:
    """By hand, in a pool of equal rewards, and against the package."""
    samples, reference = answer([0.6, 0.4, 0.2, 0.5], 0.8)
    assert abs(sum(samples) + reference) < 1e-9, (
        "over the pool, advantages add up to 0; is the reference in it?"
    )
    assert reference == pytest.approx(1.5), (
        f"the tutorial's group has Â_y = 1.5, yours {reference:.8g}: σ² is the sum of the five squared distances from the "
        "mean, divided by 5, and nothing is added to σ"
    )
    flat = answer([0.95] * 7, 0.95)
    assert flat == ([0.0] * 7, 0.0), (
        "seven rewards of 0.95 and a reference of 0.95: none is better than another, so each advantage is exactly 0. "
        "(Rounding can make σ 1e-16 here, so don't compare σ with 0; compare the rewards with each other.)"
    )
    for size in (2, 5, 16):
        rewards = torch.rand(
            size + 1, generator=torch.Generator().manual_seed(size), dtype=torch.float64
        )
        expected, expected_reference = group_advantages(rewards[1:], rewards[0])
        samples, reference = answer(rewards[1:].tolist(), rewards[0].item())
        assert samples == pytest.approx(expected.tolist()), (
            f"the samples' advantages differ from the package's for a group of {size}"
        )
        assert reference == pytest.approx(expected_reference.item()), (
            f"the reference's advantage differs from the package's for a group of {size}"
        )


def check_mean_log_likelihood(answer: Answer) -> None:
    """A mean over real tokens."""
    right = pytest.approx((math.log(0.5) + math.log(0.25)) / 2)
    assert answer([0.5, 0.25], [True, True]) == right, (
        "two tokens: the mean of their logs, in nats"
    )
    try:
        padded = answer([0.5, 0.0, 0.25], [True, False, True])
    except ValueError:  # of math.log
        raise AssertionError(
            "padding may have the probability 0, whose logarithm does not exist: leave it out before the logarithm, "
            "not after it"
        ) from None
    assert padded == right, (
        "padding must not count, neither in the sum nor in the length"
    )
    assert answer([0.3], [False]) == 0, "an answer without tokens has 0"


def check_objective(answer: Answer) -> None:
    """By hand and against the package."""
    got = answer([-1.0, -2.0, -1.5, -0.5], -3.0, [0.5, -0.5, -1.5, 0.0], 1.5, 0.5, 0.6)
    names, wanted = (
        ("exploration", "imitation", "alignment", "total"),
        (0.6875, -4.5, -0.4375, -1.825),
    )
    for name, mine, yours in zip(names, wanted, got, strict=True):
        assert yours == pytest.approx(mine), (
            f"{name} of the tutorial's group is {mine}, yours {yours:.6g}: {FORMULAS[name]}"
        )
    J, A = [-0.3, -1.1, -2.2], [1.2, -0.1, -0.4]
    J_y, A_y = torch.tensor(-0.7).double(), torch.tensor(-0.7).double()
    expected = grao_objective(
        torch.tensor(J).double(), J_y, torch.tensor(A).double(), A_y, beta=0.3, lam=1.1
    )
    theirs = list(answer(J, -0.7, A, -0.7, 0.3, 1.1))
    assert theirs == pytest.approx([each.item() for each in expected]), (
        "with three samples, and other β and λ, the result differs from the package's"
    )
