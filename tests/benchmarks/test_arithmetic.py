"""Medians, quartiles and paired ratios, by hand."""

import pytest

from tests.benchmarks.arithmetic import paired_ratio, summary
from tests.benchmarks.workload import TINY, Workload, lengths_of


def test_a_summary_by_hand():
    assert summary([4.0, 1.0, 2.0, 3.0, 10.0]) == {"median": 3, "q1": 2, "q3": 4, "min": 1, "max": 10, "n": 5}
    assert summary([2.0, 1.0]) == {"median": 1.5, "q1": 1.25, "q3": 1.75, "min": 1, "max": 2, "n": 2}
    assert summary([2.0]) == {"median": 2, "q1": 2, "q3": 2, "min": 2, "max": 2, "n": 1}


def test_nothing_measured_has_no_summary():
    with pytest.raises(ValueError, match="at least one"):
        summary([])


def test_a_ratio_is_formed_round_by_round_so_a_slow_round_of_the_machine_cancels():
    ours, theirs = [1.0, 10.0, 1.0], [2.0, 20.0, 2.0]
    assert paired_ratio(ours, theirs) == {"median": 0.5, "q1": 0.5, "q3": 0.5, "min": 0.5, "max": 0.5, "n": 3}
    assert paired_ratio(ours, [20.0, 2.0, 2.0])["max"] == 5.0  # control: the same times in another order


def test_rounds_that_have_no_pair_are_refused():
    with pytest.raises(ValueError, match="argument"):
        paired_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("rows", "longest"), [(8, 24), (16, 64), (32, 128)])
def test_ragged_answers_have_a_third_of_the_longest_s_tokens_in_the_mean(rows, longest):
    ragged = lengths_of(Workload(group=rows, prompts=1, length=longest, ragged=True))
    assert sum(ragged) / rows == pytest.approx(longest / 3, rel=0.05)
    assert min(ragged) >= 2
    assert max(ragged) == longest
    assert len(ragged) == rows
    assert ragged == sorted(ragged)


def test_control_answers_of_one_length_are_three_times_as_many_tokens():
    workload = Workload(TINY, prompts=2, group=8, length=24)
    assert lengths_of(workload) == [24] * 16
    assert workload.tokens == 2 * 8 * 24
