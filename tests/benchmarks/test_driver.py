"""The driver: sides in turn, each in its own process, and none that fails is lost."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.benchmarks import record, short
from tests.benchmarks.driver import race
from tests.benchmarks.workload import PARTS, TINY, Scenario, Workload

FAKE = Path(__file__).with_name("fake_side.py")
WORKLOADS = (Workload(TINY, 1, 6, 2, 4), Workload(TINY, 1, 6, 4, 4))


def run(sides: dict[str, tuple[str, float]], workloads=WORKLOADS[:1], rounds=4, together=True):
    """The points of a scenario whose sides are fake: a kind and the seconds of a step, by name."""
    said = []

    def command(side, given):
        kind, seconds = sides[side]
        return [sys.executable, str(FAKE), kind, str(seconds), json.dumps([each.as_dict() for each in given])]

    return race(Scenario("fake", tuple(sides), workloads, rounds, together=together), command, said.append), said


def test_medians_ratios_and_rates_of_fake_sides():
    (point,), _ = run({"grao": ("good", 2.0), "trl": ("good", 4.0), "floor": ("good", 1.0)})
    ours = point["sides"]["grao"]
    assert ours["seconds"]["median"] == 2.0, "the slow first step is a warm-up"
    assert ours["rounds"] == [2.0] * 4
    assert ours["tokens_per_second"] == 1 * 2 * 4 / 2.0
    assert ours["parts"] == pytest.approx(dict.fromkeys((*PARTS, "rest"), 0.4))
    assert {
        name: (ratio["time"]["median"], ratio["cpu"]["median"], ratio["memory"])
        for name, ratio in point["ratios"].items()
    } == {
        "grao/trl": (0.5, 0.5, 0.5),
        "grao/floor": (2.0, 2.0, 2.0),
    }


def test_one_process_goes_through_all_workloads():
    points, said = run({"grao": ("good", 2.0), "trl": ("good", 4.0)}, WORKLOADS)
    assert [point["workload"]["group"] for point in points] == [2, 4]
    assert [point["sides"]["grao"]["tokens_per_second"] for point in points] == [4.0, 8.0]
    assert "group=4" in said[1]


def test_sides_that_follow_each_other_make_the_same_record():
    sides = {"grao": ("good", 2.0), "trl": ("dies", 4.0), "floor": ("good", 1.0)}
    assert run(sides, WORKLOADS, together=False)[0] == run(sides, WORKLOADS)[0]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("dies", "ended with exit code 1: .*no room left"),
        ("short", "trained on 7 sampled tokens, and 8 were asked for"),
        ("threaded", "ran with 2 threads, and 1 were asked for"),
        ("blind", "no time was measured for forward"),
    ],
)
def test_a_side_that_fails_is_reported_and_the_others_go_on(kind, reason):
    (first, second), said = run({"grao": ("good", 2.0), "trl": (kind, 4.0), "floor": ("good", 1.0)}, WORKLOADS)
    for point in (first, second):
        assert re.search(reason, point["sides"]["trl"]["failed"], re.DOTALL), point["sides"]["trl"]
        assert "seconds" not in point["sides"]["trl"], "half of a side's rounds are no result"
        assert set(point["ratios"]) == {"grao/floor"}
        assert point["sides"]["grao"]["seconds"]["n"] == 4
    assert "trl FAILED" in said[0]


def test_a_side_that_does_not_even_start_is_reported():
    said = []
    scenario = Scenario("fake", ("nothing",), WORKLOADS[:1], 1)
    (point,) = race(scenario, lambda *_: [sys.executable, "-c", "1/0"], said.append)
    assert "ZeroDivisionError" in point["sides"]["nothing"]["failed"]
    assert "nothing FAILED" in said[0]


def test_the_short_form_passes_a_fast_step_and_refuses_a_slow_one():
    (point,), _ = run({"grao": ("good", 1.0), "slowed": ("good", 5.0), "floor": ("good", 1.0), "trl": ("good", 2.0)})
    assert short.verdict(point) == (True, [])
    (point,), _ = run({"grao": ("good", 4.0), "slowed": ("good", 20.0), "floor": ("good", 1.0), "trl": ("good", 2.0)})
    passed, said = short.verdict(point)
    assert not passed
    assert said == [
        f"a step takes 4.00 of the side 'floor'; the bound is {short.BOUNDS['floor']}",
        f"a step takes 2.00 of the side 'trl'; the bound is {short.BOUNDS['trl']}",
    ]


def test_the_short_form_does_without_trl_but_not_without_us_nor_without_its_control():
    (point,), _ = run({"grao": ("good", 1.0), "slowed": ("good", 5.0), "floor": ("good", 1.0)})
    assert short.verdict(point) == (True, [])
    (point,), _ = run({"grao": ("dies", 1.0), "slowed": ("good", 5.0), "floor": ("good", 1.0)})
    assert not short.verdict(point)[0]
    (point,), _ = run({"grao": ("good", 1.0), "slowed": ("good", 1.0), "floor": ("good", 1.0)})
    assert "the check can't fail" in short.verdict(point)[1][0]


def test_a_part_that_is_run_alone_joins_the_record_and_leaves_the_rest(tmp_path):
    path, machine = tmp_path / "bench.json", {"cpu": "a"}
    one, two = (Scenario(name, ("grao",), WORKLOADS[:1], 1) for name in ("b/one", "a/two"))
    record.merge(path, one, [{"x": 1.23456}], machine)
    record.merge(path, two, [{"x": 2}], machine)
    record.merge(path, one, [{"x": 3.0}], {"cpu": "b"})
    found = json.loads(path.read_text())["scenarios"]
    assert list(found) == ["a/two", "b/one"]
    assert [found[name]["points"] for name in found] == [[{"x": 2}], [{"x": 3.0}]]
    assert [found[name]["machine"]["cpu"] for name in found] == ["a", "b"]
