"""What the answers to exercise 7 must do. Each message is a hint."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from theory import runs
from theory.claims.thm_3 import queries

Answer = Callable[..., Any]


def check_expected_queries(answer: Answer) -> None:
    """By hand, against the theory, and where every group is dead."""
    got = answer(0.5, 2, False)
    assert got == pytest.approx(4), (
        f"G = 2, p = ½: half of the groups are dead, so 2 groups, and 4 queries; yours {got:.4g}"
    )
    got = answer(0.5, 2, True)
    assert got == pytest.approx(8 / 3), (
        f"with the reference, a quarter of the groups is still dead (which?), so 8/3 queries; yours {got:.4g}"
    )
    for p, size in ((0.02, 8), (0.3, 4), (0.9, 8)):
        for rescued in (False, True):
            assert answer(p, size, rescued) == pytest.approx(
                queries(p, size, rescued)
            ), (
                f"p = {p}, G = {size}, with_reference={rescued}: the result differs from the laboratory's"
            )
    assert answer(0.0, 8, True) == pytest.approx(8), (
        "p = 0 with a right reference: already the first group isn't dead"
    )
    hint = "p = 0 and no reference: every group is dead, so the number is infinite"
    try:
        assert answer(0.0, 8, False) == math.inf, hint
    except ZeroDivisionError:
        raise AssertionError(hint) from None


SITUATIONS = (  # R(y), failing answers, rates, steps
    (0.7, 1, (0.4,), 20),
    (0.7, 1, (0.8, 1.6, 3.2, 6.4), 20),
    (1.0, 1, (0.8, 1.6, 3.2, 6.4), 20),
    (0.7, 8, (0.8, 1.6, 3.2, 6.4), 60),
)


def check_who_is_first(answer: Answer) -> None:
    """Run both methods in each situation."""
    predicted = answer()
    assert len(predicted) == 4, "four situations, four names"
    assert set(predicted) <= {"GRPO", "GRAO"}, 'each is "GRPO" or "GRAO"'
    for number, ((quality, wrong, rates, steps), name) in enumerate(
        zip(SITUATIONS, predicted, strict=True), start=1
    ):
        shares = [0.02, 0.02, *[0.96 / wrong] * wrong]
        table = torch.tensor([1.0, quality, *[0.0] * wrong])
        rewards, logits = runs.start(table, shares, 200)
        V = {}
        for each in ("GRPO", "GRAO"):
            config = runs.settings(method=each.lower(), max_steps=steps)
            last = runs.last_values(rates, rewards, 1, logits, config)
            V[each] = last.quantile(0.5, dim=-1).max().item()
        assert name == max(V, key=lambda each: V[each]), (
            f"situation {number}: after {steps} steps the median of V is {V['GRPO']:.2f} in GRPO, {V['GRAO']:.2f} in GRAO. "
            "Why?"
        )
