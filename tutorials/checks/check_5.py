"""What the answers to exercise 5 must do. Each message is a hint."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from grao_ref.equations.grpo import grpo_advantages, grpo_objective
from theory.exact import ExactBandit
from tutorials import planted

Answer = Callable[..., Any]


def check_equal_rewards(answer: Answer) -> None:
    """The planted function on the reader's group."""
    rewards = answer()
    assert len(rewards) >= 2, "a group has at least two samples"
    assert min(rewards) == max(rewards), (
        "these rewards are not all equal; the bug is about a dead group"
    )
    found = planted.advantages(list(rewards))
    assert any(found), (
        f"for {rewards} the planted function returns zeros, as it should. What is the mean of equal numbers, after "
        "rounding? Try other numbers and sizes"
    )


def check_probability_dead(answer: Answer) -> None:
    """The formula of the tutorial, several answers of one reward, and the laboratory's enumeration."""
    for p, size in ((0.5, 4), (0.1, 8), (0.98, 8)):
        assert answer([p, 1 - p], [1.0, 0.0], size) == pytest.approx(
            p**size + (1 - p) ** size
        ), (
            f"p = {p}, G = {size}: a group of equal rewards is all wrong or all right; "
            "the two probabilities add up"
        )
    assert answer([0.25, 0.25, 0.5], [1.0, 0.0, 0.0], 2) == pytest.approx(0.625), (
        "a group of two different failures is dead as well: "
        "the rewards have to be equal, not the answers"
    )
    probabilities = np.array([0.1, 0.2, 0.3, 0.4])
    rewards = np.array([1.0, 0.5, 0.0, 0.5])
    bandit = ExactBandit(rewards, 0, 5, pool="outputs")
    flat = (bandit.groups()[0].max(axis=1) == 5).astype(float)
    expected = bandit.expectation(np.log(probabilities), flat)
    assert answer(probabilities.tolist(), rewards.tolist(), 5) == pytest.approx(
        expected
    ), (
        "with rewards 1, 0.5, 0 and 0.5 the result differs from the exact one: how likely is a group in which all earn "
        "1, or 0.5, or 0?"
    )


def check_fewest_dead(answer: Answer) -> None:
    """By the formula."""
    predicted = answer()
    assert len(predicted) == 5, "five changes, five answers"
    hot = 0.02 ** (1 / 0.3) / (0.02 ** (1 / 0.3) + 0.98 ** (1 / 0.3))
    now = 0.02**8 + 0.98**8
    changed = {
        "with 32 samples it is harder for all to fail": 0.02**32 + 0.98**32,
        "groups that are all right are dead as well": 0.98**8 + 0.02**8,
        "a group is sampled before its step, so the step's length does not matter": now,
        "failures can be told apart by their rewards": 0.02**8 + 2 * 0.49**8,
        "a low temperature makes the likely answers, the failures, likelier": hot**8
        + (1 - hot) ** 8,
    }
    for number, (got, (why, dead)) in enumerate(
        zip(predicted, changed.items(), strict=True), start=1
    ):
        assert got == (dead < now - 1e-9), (
            f"change {number}: {now:.1%} of the groups are dead now, {dead:.1%} with the change: {why}"
        )


def check_logged_loss(answer: Answer) -> None:
    """0 where nothing has changed; the ratio; both sides of the clip; and against the package."""
    same = [0.1, 0.2, 0.3]
    assert answer(same, same, [1.0, 0.0, 0.5], 0.2) == pytest.approx(0.0, abs=1e-12), (
        "no probability has changed: every ratio is 1, and advantages add up to 0"
    )
    assert answer([0.5, 0.5], [0.5, 0.5], [0.7, 0.7], 0.2) == 0, (
        "in a dead group every advantage is 0; don't divide by σ = 0"
    )
    got = answer([0.11, 0.1], [0.1, 0.1], [1.0, 0.0], 0.2)
    assert got == pytest.approx(-0.05), (
        "the better of two answers is now 1.1 times as likely, within the clip. Advantages are 1 and −1, so the objective "
        f"is (1.1 − 1) / 2 = 0.05, and the loss is minus that; yours is {got:.4g}"
    )
    assert answer([0.2, 0.1], [0.1, 0.1], [1.0, 0.0], 0.2) == pytest.approx(-0.1), (
        "the better answer is twice as likely: its ratio counts as 1.2, no more"
    )
    assert answer([0.05, 0.1], [0.1, 0.1], [1.0, 0.0], 0.2) == pytest.approx(0.25), (
        "the better answer is *half* as likely: min() takes the worse of the two terms, so the clip does not apply"
    )
    rng = torch.Generator().manual_seed(0)
    old, new = torch.rand(2, 8, generator=rng, dtype=torch.float64) * 0.5 + 0.1
    rewards = torch.rand(8, generator=rng, dtype=torch.float64)
    expected = -grpo_objective(
        new.log()[:, None],
        old.log()[:, None],
        grpo_advantages(rewards),
        torch.ones(8, 1, dtype=torch.bool),
        epsilon_low=0.3,
        epsilon_high=0.3,
    ).mean()
    got = answer(new.tolist(), old.tolist(), rewards.tolist(), 0.3)
    assert got == pytest.approx(expected.item()), (
        "eight samples and ε = 0.3: the result differs from the package's"
    )
