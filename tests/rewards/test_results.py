"""What a reward function may return, and what is refused: always in one line, with the function's name."""

import itertools
import math
import warnings
from array import array
from collections import deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.rewards.scorer import Scorer
from grao_ref.rewards.silence import CALLS

HUGE = 10**400
LARGEST = torch.finfo(torch.float32).max


def score(result, count=3, weights=None, **others):
    """The scores of a function `f` that returns the result, beside others."""
    functions = {"f": lambda **columns: result() if callable(result) else result} | others
    lists = {"references": ["r"] * count, "columns": {}}
    return Scorer(functions, weights)(["p"] * count, ["a"] * count, **lists)


class Odd:
    """An object whose method of the given name raises, and which is else a list of three numbers."""

    def __init__(self, method, error=RuntimeError):
        self.method, self.error = method, error

    def _maybe(self, method, value):
        if self.method == method:
            raise self.error("it\nbroke")
        return value

    def __iter__(self):
        return iter(self._maybe("__iter__", [1, 2, 3, 4]))

    def __len__(self):
        return self._maybe("__len__", 4)

    def __getattr__(self, name):
        if self.method == name:
            raise self.error("it\nbroke")
        raise AttributeError(name)


class OddNumber(float):
    """A number that raises where it is read."""

    def __float__(self):
        raise OSError("it\nbroke")


class Unshown:
    """What can't be shown in a message."""

    def __repr__(self):
        raise RuntimeError("no")


class Broad:
    """What is shown in many lines."""

    def __repr__(self):
        return "a\nb" * 10_000


def endless():
    yield from itertools.repeat(1.0)


def raises_at_last():
    yield from (1.0, 2.0, 3.0)
    raise KeyError("it\nbroke")


class Scalar:
    """An object with an item() that raises."""

    def item(self):
        raise KeyError("it\nbroke")


MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1, HUGE, 1], "gave completions[1] inf: it must be a finite number"),
        ([1, -HUGE, 1], "gave completions[1] -inf: it must be a finite number"),
        ([1, 10**5000, 1], "gave completions[1] inf"),
        ([1, Decimal("1e400"), 1], "gave completions[1] inf"),
        ([1, Decimal("sNaN"), 1], "gave completions[1] nan"),
        ([1, Fraction(HUGE), 1], "gave completions[1] inf"),
        ([np.longdouble("1e400"), 1, 1], "gave completions[0] inf"),
        ([1, 1, 3.5e38], "gave completions[2] 3.5e+38: it must be a finite number, or None; the largest is 3.4e+38"),
        (MASKED, "gave completions[1] nan"),
        ({1, 2, 3}, "must return a list of 3 rewards, got set"),
        (frozenset((1, 2, 3)), "must return a list of 3 rewards, got frozenset"),
        ({1: 1, 2: 2, 3: 3}.keys(), "must return a list of 3 rewards, got dict_keys"),
        ({1: 1, 2: 2, 3: 3}.values(), "must return a list of 3 rewards, got dict_values"),
        ({1: 1, 2: 2, 3: 3}.items(), "must return a list of 3 rewards, got dict_items"),
        (b"123", "must return a list of 3 rewards, got bytes"),
        (bytearray(b"123"), "must return a list of 3 rewards, got bytearray"),
        (object(), "must return a list of 3 rewards, got object"),
        ([[1], [2], [3]], "gave completions[0] [1]"),
        (["1", "2", "3"], "gave completions[0] '1'"),
        (np.array(["1", "2", "3"]), "gave completions[0] "),
        (np.ones((3, 2)), "gave completions[0] array([1., 1.])"),
        (torch.tensor([1j, 1, 1]), "gave completions[0] "),
        ([[], 1, 1], "gave completions[0] []"),
        ([Unshown(), 1, 1], "gave completions[0] an Unshown"),
        ([Broad(), 1, 1], "gave completions[0] a ba b"),
        ([OddNumber(1), 1, 1], "gave completions[0] what can't be read: it raised OSError: it broke"),
        ([Scalar(), 1, 1], "gave completions[0] what can't be read: it raised KeyError: 'it\\nbroke'"),
        (endless, "returned more than 3 rewards for 3 completions"),
        (itertools.count(), "returned more than 3 rewards for 3 completions"),
        (range(10**18), f"returned {10**18} rewards for 3 completions"),
        (raises_at_last, "raised KeyError: 'it\\nbroke'"),
        (Odd(None), "returned 4 rewards for 3 completions"),
        (Odd("__iter__"), "raised RuntimeError: it broke"),
        (Odd("__len__", SystemExit), "raised SystemExit: it broke"),
        (Odd("ndim"), "raised RuntimeError: it broke"),
        ([], "returned 0 rewards for 3 completions"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_list_of_numbers_is_refused_in_a_line(result, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="reward function 'f' ") as caught:
            score(result)
    assert str(caught.value).startswith(f"reward function 'f' {message}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "result",
    [
        np.array([[1.0], [2.0], [3.0]]),
        torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True),
        deque([1, 2, 3]),
        array("d", [1, 2, 3]),
        range(1, 4),
        {1: None, 2: None, 3: None},
        [True, Fraction(HUGE * 2, HUGE), Decimal("3")],
        [np.longdouble(1), np.float128(2) if hasattr(np, "float128") else 2, 3],
        np.ma.array([1.0, 2.0, 3.0]),
        np.array([1, 2, 3], dtype=object),
        (number for number in (1, 2, 3)),
        map(int, "123"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_control_lists_of_numbers_of_every_kind(result):
    if isinstance(result, dict):
        result = list(result)  # its keys in order are a list only once it is made one
    assert score(result).parts["f"] == [1.0, 2.0, 3.0]


numbers = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-HUGE, HUGE), st.floats(), st.decimals(), st.fractions()
)
things = st.one_of(
    numbers, st.text(max_size=5), st.binary(max_size=5), st.lists(numbers, max_size=2), st.complex_numbers()
)
results = st.one_of(
    st.lists(things, max_size=4),
    st.lists(numbers, min_size=2, max_size=2),
    st.tuples(numbers, numbers),
    st.sets(st.integers(), max_size=3),
    st.dictionaries(st.integers(), numbers, max_size=3),
    things,
)


@given(results)
def test_a_result_is_two_plain_numbers_or_a_line_with_the_name(result):
    scores, refusal = None, "reward function 'f' "
    try:
        scores = score(result, count=2)
    except ValueError as error:
        refusal = str(error)
    assert refusal.startswith("reward function 'f' ")
    assert "\n" not in refusal
    if scores is None:
        return
    assert len(result) == 2
    for given_, kept, total in zip(result, scores.parts["f"], scores.total, strict=True):
        assert kept == total
        assert kept is None if given_ is None else type(kept) is float
        assert kept is None or (math.isfinite(kept) and kept == float(given_) and abs(kept) <= LARGEST)


def constant(*rewards):
    return lambda **columns: list(rewards)


def test_a_weighted_sum_that_is_not_finite_is_refused_though_each_reward_is():
    with pytest.raises(ValueError, match=r"weighted sum of the rewards of completions\[1\], from f, g, is 6e\+38"):
        score([1, 3e38, 1], g=constant(1, 3e38, 1))
    with pytest.raises(ValueError, match=r"completions\[0\], from f, is -?inf"):
        score([3e38, 1, 1], weights=[1e300])
    with pytest.raises(ValueError, match=r"completions\[0\], from f, g, is nan"):
        score([3e38, 1, 1], weights=[1e300, -1e300], g=constant(3e38, 1, 1))
    assert score([1, 3e38, 1], g=constant(1, -3e38, 1)).total == [2.0, 0.0, 2.0]  # control
    assert score([1, 3e38, 1], weights=[0.0, 1.0], g=constant(1, 3e38, 1)).total == [1.0, 3e38, 1.0]


def calls(scorer, times):
    return [scorer(["p"], ["a"], references=["r"], columns={}) for _ in range(times)]


def test_a_function_that_falls_silent_is_warned_of_once():
    answers = {"now": [1.0]}
    scorer = Scorer({"f": lambda **columns: answers["now"], "g": constant(2.0)})
    calls(scorer, 1)
    answers["now"] = [None]
    calls(scorer, CALLS - 1)  # a warning would be an error here
    with pytest.warns(RuntimeWarning, match="reward function 'f' scored before, and in 3 calls in a row") as caught:
        calls(scorer, 1)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    calls(scorer, 2 * CALLS)
    answers["now"] = [1.0]
    calls(scorer, 1)
    answers["now"] = [None]
    calls(scorer, 2 * CALLS)  # and never again


def test_control_a_function_that_never_scored_or_scores_now_and_then_is_not_warned_of():
    turns = itertools.cycle([[None]] * (CALLS - 1) + [[1.0]])
    calls(Scorer({"f": lambda **columns: next(turns), "g": constant(None)}), 4 * CALLS)


def test_what_the_references_were_given_counts_as_scored():
    """After a resume too, a function is known to have scored: the probe runs at each start."""
    answers = {"now": [1.0]}
    scorer = Scorer({"f": lambda **columns: answers["now"]})
    scorer.probe(["p"], ["r"], {})
    answers["now"] = [None]
    with pytest.warns(RuntimeWarning, match="'f' scored before"):
        calls(scorer, CALLS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (itertools.count(), "log_extra got more than 2 values for the column 'x' and 2 completions"),
        ([1], "log_extra got 1 values for the column 'x' and 2 completions"),
    ],
)
def test_a_logged_column_has_an_end(values, message):
    def f(completions, log_extra):
        log_extra("x", values)
        return [0.0, 0.0]

    with pytest.raises(ValueError, match=message):
        Scorer({"f": f})(["p"] * 2, ["a"] * 2, references=["r"] * 2, columns={})


@pytest.mark.parametrize(
    "value", [10**5000, np.ones(500), Unshown(), "a\nb" * 1000, HUGE], ids=lambda v: type(v).__name__
)
def test_a_metric_that_is_no_number_is_refused_in_a_line(value):
    def f(completions, log_metric):
        log_metric("x", value)
        return [0.0]

    with pytest.raises(
        ValueError, match="'f' raised ValueError: log_metric needs a finite number for 'x', got "
    ) as caught:
        Scorer({"f": f})(["p"], ["a"], references=["r"], columns={})
    assert "\n" not in str(caught.value)


def test_what_is_logged_is_kept_as_it_was():
    rows, kept = [[1], [2]], {}

    def f(completions, log_metric, log_extra):
        kept["log_extra"] = log_extra
        log_extra("x", rows)
        log_metric("large", 1e308)
        log_metric("large", 1e308)
        rows[0].append("changed")
        return [0.0, 0.0]

    scores = Scorer({"f": f})(["p"] * 2, ["a"] * 2, references=["r"] * 2, columns={})
    kept["log_extra"]("x", [3])  # a call that comes too late
    rows.clear()
    assert scores.columns == {"x": [[1], [2]]}
    assert scores.metrics == {"large": 1e308}


def test_a_column_that_can_not_be_copied_for_its_depth_is_named():
    inner: list = []
    for _ in range(5000):
        inner = [inner]
    endless = [1]
    endless.append(endless)
    for values in (inner, endless):
        with pytest.raises(ValueError, match="deep holds values that are nested too deeply to be handed to a reward"):
            Scorer({"f": constant(1.0)})(["p"], ["a"], references=["r"], columns={"deep": [values]})
    Scorer({"f": lambda completions: [1.0]})(["p"], ["a"], references=["r"], columns={"deep": [inner]})  # nobody asks


def test_no_more_than_one_reward_too_many_is_read():
    read = itertools.count()
    with pytest.raises(ValueError, match="returned more than 3 rewards"):
        score(read)
    assert next(read) == 4
