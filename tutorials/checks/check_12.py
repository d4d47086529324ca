"""What the answers to exercise 8 must do. Each message is a hint."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from theory.exact import ExactBandit
from theory.ledger import Check
from theory.paper_tables import TABLES

Answer = Callable[..., Any]
COLUMNS = [(data, model) for data in TABLES for model in (0, 1)]


def check_deviation_check(answer: Answer) -> None:
    """Check and control are both measured, and the limit is narrow."""
    groups = [[0.2, 0.7, 0.1, 0.4], [3.0, 5.0, 9.0, 2.0, 8.0, 0.0], [1e3, 0.0, 0.0]]
    found = [_not_void(answer, group) for group in groups]
    assert all(isinstance(each, Check) for each in found), (
        "return a theory.ledger.Check, neither True nor a number"
    )
    for each in found:
        assert each.passed or each.measured > 1e-5, (
            f"a distance of {each.measured:.1g} from 1 is float32's rounding: give the package float64"
        )
        assert each.passed, (
            f"σ_A is 1 for every group, but your check has {each.measured:.3g} {each.test} {each.limit:g}: "
            "is it the population deviation of all the samples, and is the reference outside the pool?"
        )
        assert each.test == "<", "it is a distance from 1, so the test has to be '<'"
        assert each.limit <= 1e-8, f"a limit of {each.limit:g} is wider than rounding"
    assert len({round(each.control_measured, 6) for each in found}) > 1, (
        "your control is the same for every group: is it a constant, or measured on something that eq-4 has standardised?"
    )
    again = [answer(group).control_measured for group in groups]
    assert again == [each.control_measured for each in found], (
        "your control gives another number the second time, so it is not a measurement"
    )
    flat = _not_void(answer, [0.5] * 4)
    assert not flat.passed, (
        "four equal rewards: every Â is 0, and so is σ_A. But your check passes: does it measure σ_A?"
    )


def _not_void(answer: Answer, rewards: list[float]) -> Any:
    try:
        return answer(rewards)
    except ValueError as error:
        if "void check" not in str(error):
            raise
        raise AssertionError(
            f"{error}. Rewards {rewards}: are both numbers absolute values, |σ − 1|? Without the absolute value, a small σ "
            "is always below the limit"
        ) from error


def check_mean_improvement(answer: Answer) -> None:
    """On the paper's own tables, and by hand."""
    new, old = (
        [TABLES[data][name][model][0] for data, model in COLUMNS]
        for name in ("GRAO", "SFT")
    )
    got = answer(new, old)
    assert got == pytest.approx(57.73, abs=0.01), (
        f"SFT's is 57.73 % from the tables (57.70 in the abstract), yours {got:.2f}: each column's ratio first, then "
        "the mean; in percent, relative to the other method"
    )
    assert answer([2.0, 1.0], [1.0, 2.0]) == pytest.approx(25), (
        "twice as good in one column, half as good in the other: +100 % and −50 %, so +25 % on average"
    )
    assert answer([3.0], [3.0]) == pytest.approx(0), "nothing gained is 0 %"


def check_falling_bandit(answer: Answer) -> None:
    """The exact step of GRPO at G = 8 lowers the expected reward."""
    given = answer()
    assert len(given) == 2, (
        "two lists: the probabilities, and the rewards of the same answers"
    )
    probabilities, rewards = (np.asarray(each, dtype=float) for each in given)
    assert len(probabilities) == len(rewards) == 3, (
        "three answers: two are too few, three are enough"
    )
    assert (probabilities > 0).all(), "every answer needs a probability above 0"
    assert np.isclose(probabilities.sum(), 1), (
        f"the probabilities add up to {probabilities.sum():.4g}, not to 1"
    )
    assert rewards.min() >= 0, "rewards lie between 0 and 1"
    assert rewards.max() <= 1, "rewards lie between 0 and 1"
    assert len(set(rewards.tolist())) == 3, (
        "with two reward levels the step never lowers V (thm-6): you need three"
    )
    bandit = ExactBandit(rewards, 0, 8, 0.0, 0.0, "outputs")
    logits = np.log(probabilities)
    change = bandit.update(logits) @ bandit.gradient(logits)
    assert change < -1e-9, (
        f"at G = 8 the step changes V at a rate of {change:+.1e}, so V does not fall. Is the worst answer in too "
        "many groups of eight? There the step pushes it down, which raises V."
    )
