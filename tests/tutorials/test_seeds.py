"""Statistics of a few seeds: by hand, by simulation."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from tutorials import seeds


@pytest.mark.parametrize("same", [True, False])
def test_wrong_winners_are_counted_as_by_hand(same):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=4).round(2), rng.normal(0.2, size=4).round(2)
    chosen = list(combinations(range(4), 2))
    count = 0
    for first, second in product(chosen, chosen):
        if same and first != second:
            continue
        ahead = sum(one[i] for i in first) > sum(other[i] for i in second)
        count += ahead != (sum(one) > sum(other))
    assert seeds.wrong(one, other, 2, same=same) == pytest.approx(count / (6 if same else 36))
    assert seeds.wrong(one, other, 4) == 0


def test_seeds_that_are_needed_find_the_difference_in_four_cases_of_five():
    """By simulation; the control is half as many."""
    spread = np.array([-1.0, 0.0, 1.0])
    differences = 0.8 + spread / spread.std(ddof=1)
    needed = int(seeds.seeds_needed(differences))
    rng = np.random.default_rng(1)
    shares = [
        np.mean(stats.ttest_1samp(rng.normal(0.8, 1, (4000, count)), 0, axis=1).pvalue < 0.05)
        for count in (needed, needed // 2)
    ]
    assert shares[0] == pytest.approx(0.8, abs=0.04)
    assert shares[1] < 0.6


def test_holm_s_correction_is_never_stricter_than_bonferroni_s_and_keeps_the_risk():
    """Under thirteen true nulls a correction errs in 5 % of the cases, and no correction in half of them."""
    rng = np.random.default_rng(2)
    errs = np.zeros(3)
    for _ in range(1000):
        found = {str(place): p for place, p in enumerate(rng.random(13))}
        adjusted = seeds.holm(found), seeds.bonferroni(found)
        assert all(adjusted[0][name] <= adjusted[1][name] for name in found)
        errs += [bool(seeds.survive(each)) for each in (found, *adjusted)]
    assert errs[0] / 1000 == pytest.approx(1 - 0.95**13, abs=0.05)
    assert errs[1] == errs[2]
    assert errs[1] / 1000 == pytest.approx(0.05, abs=0.025)
