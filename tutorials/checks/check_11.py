"""What the answers to exercise 7 must do. Each message is a hint."""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
import torch
from scipy.stats import binomtest

from grao_ref.equations.divergence import k1
from grao_ref.equations.masked import masked_sum

Answer = Callable[..., Any]


def check_wilson(answer: Answer) -> None:
    """At the edges and against scipy."""
    low, high = answer(0, 20)
    assert (low, high) != (0, 0), (
        "0 of 20 does not prove that the share is 0: use the standard error at p, not at f"
    )
    assert low == pytest.approx(0, abs=1e-9), "a share is never below 0"
    assert answer(20, 20)[1] == pytest.approx(1), "a share is never above 1"
    for count, number in ((7, 67), (15, 67), (0, 20), (20, 20), (1, 2), (450, 1000)):
        ends = binomtest(count, number).proportion_ci(method="wilson")
        assert answer(count, number) == pytest.approx(
            (ends.low, ends.high), abs=2e-4
        ), f"{count} of {number}: the interval is {ends.low:.3f} to {ends.high:.3f}"


def check_divergence(answer: Answer) -> None:
    """By hand, with NaN as padding, and against the package."""
    assert answer([[-0.5]], [[-2.0]], [[True]]) == pytest.approx(1.5), (
        "the sample is likelier under the policy than under the base, so the estimate is positive: log π − log π₀"
    )
    assert answer([[-0.5, -0.5]], [[-2.0, -2.0]], [[True, True]]) == pytest.approx(
        3.0
    ), "in nats per *answer*: the sum over its tokens"
    assert answer([[-0.5, nan]], [[-2.0, -inf]], [[True, False]]) == pytest.approx(
        1.5
    ), "0 times NaN is NaN: leave the padding out before you subtract"
    rows = ([[-1.0, -1.0], [-0.2, -9.0]], [[-2.0, -2.0], [-0.6, -9.0]])
    masks = [[True, True], [True, False]]
    assert answer(*rows, masks) == pytest.approx(1.2), (
        "two answers with 2.0 and 0.4: the mean over answers, not over tokens"
    )
    assert answer([[-2.0, -1.0]], [[-0.5, -1.0]], [[True, True]]) == pytest.approx(
        -1.5
    ), "the KL is never negative, its estimate from samples may be: leave it as it is"
    rng = torch.Generator().manual_seed(7)
    now, before = -torch.rand(2, 5, 6, generator=rng, dtype=torch.float64)
    real = torch.arange(6) < torch.tensor([[6], [1], [3], [2], [5]])
    expected = masked_sum(k1(now, before, real), real).mean().item()
    assert answer(now.tolist(), before.tolist(), real.tolist()) == pytest.approx(
        expected
    ), (
        "five random answers: the result differs from the package's (a single estimate may be negative)"
    )


def check_step_to_keep(answer: Answer) -> None:
    """The second metric decides."""
    assert answer([0.5, 0.8, 1.0], [0.4, 0.5, 0.1]) == 1, (
        "the last checkpoint has the highest reward, but the lowest second metric: it has hacked the reward"
    )
    assert answer([0.5, 0.8, 1.0], [0.5, 0.5, 0.1]) == 1, (
        "two have an equal second metric: then the reward decides"
    )
    assert answer([0.5, 0.5, 0.5], [0.2, 0.7, 0.7]) == 1, (
        "all rewards equal, and two equal second metrics: keep the earliest"
    )
    assert answer([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]) == 2, (
        "where both rise there is no reason to stop"
    )
    assert answer([0.6, 0.7, 0.8, 0.9], [0.5, 0.4, 0.6, 0.1]) == 2, (
        "the second metric falls and rises again: compare all steps"
    )
    assert answer([0.1, 0.9, 5.0], [0.52, 0.51, 0.1]) == 0, (
        "the second metric decides alone, however small the difference: do not add the two, and do not round"
    )
    assert answer([-0.9, -0.2, 0.4], [-3.0, -1.0, -2.0]) == 1, "metrics may be negative"
