"""What the answers to exercise 4 must do. Each message is a hint."""

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
import torch

from theory import runs
from theory.exact import ExactBandit

Answer = Callable[..., Any]


def check_expected_update(answer: Answer) -> None:
    """By hand, on a bandit of equal rewards, and against the laboratory's enumeration."""
    got = answer([0.5, 0.5], [1.0, 0.0], 2)
    assert len(got) == 2, "one push for each answer"
    assert got == pytest.approx([0.25, -0.25]), (
        "two answers, two samples: half of the groups hold one of each, with Â = 1 and −1 and weights ±½; "
        "the other half is dead. That is ±0.25, "
        f"not {[round(float(each), 3) for each in got]}"
    )
    assert answer([0.3, 0.7], [0.95, 0.95], 3) == pytest.approx([0.0, 0.0], abs=1e-9), (
        "where all answers earn the same nothing can be learned"
    )
    probabilities, rewards = np.array([0.2, 0.5, 0.3]), np.array([1.0, 0.7, 0.0])
    for size in (3, 6):
        bandit = ExactBandit(rewards, 0, size, beta=0, lam=0, pool="outputs")
        expected = bandit.update(np.log(probabilities))
        got = answer(probabilities.tolist(), rewards.tolist(), size)
        assert got == pytest.approx(expected.tolist(), abs=1e-9), (
            f"three answers, groups of {size}: the laboratory has {expected.round(4).tolist()}. "
            + _likely(got, probabilities, rewards, size)
        )


def _likely(got: Any, pi: Any, rewards: Any, size: int) -> str:
    """The likeliest cause, found by making each mistake on purpose."""
    causes: dict[str, dict[str, Any]] = {
        "In a group of equal rewards σ can be 1e-16 by rounding (three rewards of 0.7), so `if s == 0` misses it: "
        "compare the rewards with each other.": {"trap": True},
        "Is σ the population deviation? Divide by G, not by G − 1.": {"ddof": 1},
        "Is each group weighted by its probability?": {"uniform": True},
        "Is each advantage divided by G?": {"scale": size},
    }
    for words, mistake in causes.items():
        if got == pytest.approx(_mistaken(pi, rewards, size, **mistake), abs=1e-9):
            return words
    return "Compare a single group with the formula first."


def _mistaken(
    pi: Any,
    rewards: Any,
    size: int,
    *,
    trap: bool = False,
    ddof: int = 0,
    uniform: bool = False,
    scale: float = 1,
) -> list[float]:
    push = np.zeros(len(pi))
    for group in product(range(len(pi)), repeat=size):
        earned = [float(rewards[each]) for each in group]
        mean = sum(earned) / size
        sigma = (sum((each - mean) ** 2 for each in earned) / (size - ddof)) ** 0.5
        if sigma == 0 or (not trap and max(earned) == min(earned)):
            continue
        share = len(pi) ** -size if uniform else prod(float(pi[each]) for each in group)
        for answer, each in zip(group, earned, strict=True):
            push += (
                scale
                * share
                * (each - mean)
                / sigma
                / size
                * (np.eye(len(pi))[answer] - pi)
            )
    return [float(each) for each in push]


TEN = [1.0, 0.7, *[0.0] * 8]
BANDITS = (
    (TEN, [0.1] * 10),
    (TEN, [0.05, 0.87, *[0.01] * 8]),
    ([0.7, 1.0, *[0.0] * 8], [0.1] * 10),
    (TEN, [0.01, 0.01, *[0.98 / 8] * 8]),
)
REASONS = (
    "GRAO's policy becomes certain of y, and then seldom samples the best answer",
    "y is nearly all of the policy already, so imitation changes little; GRAO's samples have weights 1 + λ = 1.6 times as "
    "large, and with 1.6 times the learning rate GRPO reaches GRAO's V",
    "y is the best answer, and GRAO has it in every group; GRPO has to sample it",
    "most groups hold failures only: they teach GRPO nothing, and GRAO the reference",
)


def _value(table: list[float], start: list[float], **settings: Any) -> float:
    rewards, logits = runs.start(torch.tensor(table), start, 100)
    return float(runs.values(rewards, 1, logits, runs.settings(**settings))[-1].mean())


def check_who_is_ahead(answer: Answer) -> None:
    """Run both methods on each bandit."""
    predicted = answer()
    assert len(predicted) == 4, "four bandits, four names"
    assert set(predicted) <= {"GRPO", "GRAO"}, 'each is "GRPO" or "GRAO"'
    for number, ((table, start), name, why) in enumerate(
        zip(BANDITS, predicted, REASONS, strict=True), start=1
    ):
        V = {
            each: _value(
                table, start, method=each.lower(), learning_rate=0.2, max_steps=60
            )
            for each in ("GRPO", "GRAO")
        }
        assert name == max(V, key=lambda each: V[each]), (
            f"bandit {number}: after 60 steps GRPO has V = {V['GRPO']:.2f}, GRAO {V['GRAO']:.2f}: {why}"
        )


def check_best_settings(answer: Answer) -> None:
    """Train 100 tables with 500 rewards each."""
    chosen = answer()
    size = int(chosen["num_generations"])
    assert 2 <= size <= 500, "a group has at least 2 samples, and at most 500 rewards"
    V = _value(
        TEN,
        [0.1] * 10,
        **chosen,
        per_device_train_batch_size=size,
        max_steps=500 // size,
    )
    assert V >= 0.98, (
        f"{500 // size} steps with groups of {size} reach V = {V:.3f}; 0.98 is possible. Try the learning rate first, "
        "at several sizes of the group"
    )
