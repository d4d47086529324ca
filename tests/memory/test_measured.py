"""The estimate beside the peak of a real run, each in a process of its own; `python -m tests.memory` does many."""

import json
import sys
from pathlib import Path

import pytest

from grao_ref.memory.counting import MOMENTS
from tests.memory.compared import RECORD, WITHIN, compare
from tests.memory.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux")
SMALL = {"per_device_train_batch_size": 8, "num_generations": 4}
QUICK = [
    Scenario("grao", layers=3, width=384, vocabulary=30_000, prompt=32, answer=16, settings=SMALL),
    Scenario("sft", layers=3, width=384, vocabulary=30_000, prompt=32, answer=16,
             settings={"method": "sft", "per_device_train_batch_size": 8, "gradient_checkpointing": True}),
]  # fmt: skip


@pytest.mark.parametrize("scenario", QUICK, ids=lambda each: each.name)
def test_the_peak_is_within_15_percent_and_without_moments_it_would_not_be(scenario):
    (row,) = compare([scenario], say=lambda line: None)
    assert row["ratio"] == pytest.approx(1, abs=WITHIN), row
    without = row["predicted"] - row["parts"][MOMENTS]
    assert abs(without / row["measured"] - 1) > WITHIN


def test_at_least_ten_runs_were_measured_and_all_are_within_15_percent():
    record = json.loads(RECORD.read_text())
    assert [row["name"] for row in record["runs"]] == [each.name for each in SCENARIOS]
    assert len(record["runs"]) >= 10
    assert all(abs(row["predicted"] / row["measured"] - 1) < WITHIN for row in record["runs"])
    assert all(sum(row["parts"].values()) == row["predicted"] for row in record["runs"])
    assert sys.platform == "linux"
