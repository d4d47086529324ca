"""How exp-race-tokens is read off: entries, ratios of known runs, and links that hold, are reversed or are open."""

import numpy as np
import pytest

from theory import token_judged
from theory.claims import exp_race_tokens
from theory.contest import CONTESTANTS
from theory.token_race import LESSONS, RATES
from theory.token_tuned import TUNED


@pytest.mark.parametrize("arm", ["trees", "twins"])
def test_every_contestant_has_a_tuned_entry_that_was_tried(arm):
    assert {(entry.name, entry.optimizer) for entry in TUNED[arm]} == {(n, o) for n in CONTESTANTS for o in RATES}
    assert all(entry.rate in RATES[entry.optimizer] for entry in TUNED[arm])
    assert all((entry.lessons in LESSONS) == CONTESTANTS[entry.name].lessons for entry in TUNED[arm])


def test_known_runs_are_read_off_as_they_are(monkeypatch):
    wait = {"bar": 40.0, "LUFFY": 20.0, "GRPO": 20.0, "GRAO repaired": 30.0, "SRFT": 60.0, "surprise": 10.0}
    known = {(name, optimizer, arm): np.full((48, 2), steps * (2 if (name, arm) == ("bar", "trees") else 1))
             for name, steps in wait.items() for optimizer in RATES for arm in TUNED}  # fmt: skip
    known |= {(name + token_judged.OTHER_SEEDS, o, "trees"): known[name, o, "trees"] for name in wait for o in RATES}
    monkeypatch.setattr(token_judged, "waits_of", lambda size: known)
    assert token_judged.ratio("quick", "bar", "GRPO", "adam") == (4, 4, 4)
    assert token_judged.changed("quick", "bar", "adam") == pytest.approx((2, 2, 2))
    assert token_judged.sharing("quick", "bar", "adam") == pytest.approx((1, 1, 1))
    holds, fails, still_open = exp_race_tokens._links("quick")
    assert [check.measured for check in holds] == pytest.approx([2 / 3, 1 / 2, 1 / 2])
    assert [check.measured for check in fails] == [4]  # bar behind LUFFY
    assert still_open == ["LUFFY before GRPO (Adam)"]


def test_updates_are_those_of_the_package_s_equations_and_not_with_sums():
    assert token_judged.by_equations() < 1e-12 < 0.1 < token_judged.by_equations(summed=True)
