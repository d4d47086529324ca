"""The sorting rows: fixed, different, and each reference with exactly one swapped pair of neighbours."""

import hashlib
import re

import pytest

from grao_ref.data.load import load_rows, own_rule
from grao_ref.data.rows import Row, split_by_prompt
from grao_ref.data.sorting import sorting_rows
from grao_ref.rewards.sorting import sorting


def test_the_rows_are_the_same_everywhere_and_each_prompt_comes_once():
    rows = load_rows("sorting")
    assert rows == sorting_rows()
    assert rows.skipped == ()
    assert rows[0] == Row("29358=", "25389", "29358", {"solution": "23589"})
    assert len({row.prompt for row in rows}) == len(rows) == 4000
    text = "".join(f"{row.prompt}{row.reference}\n" for row in rows)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ca3cfb40107c0a4f"


def test_prompts_are_five_different_digits_and_the_reference_swaps_one_pair_of_neighbours():
    places = [0] * 4
    for row in sorting_rows():
        digits, best = row.prompt.removesuffix("="), row.columns["solution"]
        assert re.fullmatch("[0-9]{5}", digits)
        assert "".join(sorted(set(digits))) == best
        assert row.rejected == digits
        wrong = [place for place in range(5) if row.reference[place] != best[place]]
        assert wrong == [wrong[0], wrong[0] + 1]
        assert sorted(row.reference) == list(best)
        places[wrong[0]] += 1
    assert min(places) > 900  # each of the four pairs is swapped about as often


def test_every_digit_comes_at_every_position_about_as_often():
    rows = sorting_rows()
    for position in range(5):
        counts = [sum(row.prompt[position] == digit for row in rows) for digit in "0123456789"]
        assert 340 < min(counts) <= max(counts) < 460


def test_references_earn_4_of_6_and_the_rejected_answers_less():
    rows = sorting_rows()
    solutions = [row.columns["solution"] for row in rows]
    assert set(sorting([row.reference for row in rows], solutions)) == {4 / 6}
    rejected = sorting([row.rejected for row in rows], solutions)
    assert 0.3 < sum(rejected) / len(rejected) < 0.36  # the end is right, and a fifth of the digits
    assert sum(reward == 1 for reward in rejected) == 39  # one in 120 came in order


def test_a_default_run_reads_no_prompt_twice():
    """16 prompts a step for 200 steps."""
    training, held_out = split_by_prompt(sorting_rows(), share=0.1, seed=0)
    assert (len(training), len(held_out)) == (3600, 400)
    assert len(training) >= 128 // 8 * 200


@pytest.mark.parametrize(("asked", "named"), [({"split": "test"}, "split 'test'"), ({"config": "six"}, "config 'six'")])
def test_there_is_one_split_and_no_config(asked, named):
    with pytest.raises(ValueError, match=f"^sorting has the split 'train' alone; there is no {named}$"):
        load_rows("sorting", **asked)


def test_its_own_rule_is_its_reward_function():
    assert own_rule("sorting") == "sorting"
