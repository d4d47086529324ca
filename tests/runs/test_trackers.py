"""The trackers that get the metrics beside metrics.jsonl."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from grao_ref.runs.trackers import require_tracker, tracker_of
from grao_ref.settings.config import Config
from grao_ref.train import main
from tests.command import refused


def curves(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in accumulator.Scalars(name)]
        for name in accumulator.Tags()["scalars"]
    }


def test_event_files_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    tracker = tracker_of(Config(report_to=("tensorboard",)), tmp_path)
    tracker.log({"reward": 0.5, "objective_share/imitation": 0.25}, 1)
    tracker.log({"reward": 0.75}, 2)
    tracker.close()
    assert curves(tmp_path / "tensorboard") == {
        "reward": [(1, 0.5), (2, 0.75)],
        "objective_share/imitation": [(1, 0.25)],
    }


def test_each_of_several_runs_has_its_own_curves(tmp_path):
    pytest.importorskip("tensorboard")
    flags = ["--preset", "bandit", "--num-seeds", "2", "--max-steps", "2", "--report-to", "tensorboard"]
    assert main([*flags, "--compare", "--output-dir", str(tmp_path / "several")]) == 0
    folder = tmp_path / "several" / "tensorboard"
    names = {"sft", "dpo", "ppo", "grpo", "grao, repaired", "grao, as printed"}
    assert {path.name for path in folder.iterdir()} == {f"{name}, seed 0" for name in names}
    found = curves(folder / "grao, repaired, seed 0")
    assert [step for step, _ in found["loss"]] == [1, 2]
    assert [step for step, _ in found["eval_reward"]] == [0, 2]
    assert main([*flags[:3], "1", *flags[4:], "--output-dir", str(tmp_path / "one")]) == 0
    assert "loss" in curves(tmp_path / "one" / "tensorboard")  # a single run needs no name


@pytest.mark.skipif(importlib.util.find_spec("trackio") is None, reason="needs the extra [track]")
def test_trackio_logs_into_its_folder_without_a_network(tmp_path):
    code = """
from pathlib import Path
from grao_ref.settings.config import Config
from grao_ref.runs.trackers import tracker_of
tracker = tracker_of(Config(report_to=("trackio",), run_name="mine"), Path("folder"))
tracker.log({"reward": 0.5, "objective/imitation": -0.25}, 1)
tracker.log({"reward": 0.75}, 2)
tracker.close()
"""
    # a process of its own: trackio reads its folder from the environment when it is imported
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
    with sqlite3.connect(tmp_path / "trackio" / "grao_ref.db") as database:
        rows = database.execute("select run_name, step, metrics from metrics order by step").fetchall()
        (config,) = database.execute("select config from configs").fetchone()
    database.close()
    assert [(name, step, json.loads(text)) for name, step, text in rows] == [
        ("mine", 1, {"reward": 0.5, "objective/imitation": -0.25}),
        ("mine", 2, {"reward": 0.75}),
    ]
    assert json.loads(config)["imitation_coef"] == 0.5


def test_a_tracker_that_is_not_installed_is_named(monkeypatch, tmp_path, capsys):
    assert tracker_of(Config(), tmp_path) is None
    require_tracker(Config())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    require_tracker(Config())
    with pytest.raises(ValueError, match=r"report_to trackio needs it installed: pip install 'grao_ref\[track\]'"):
        require_tracker(Config(report_to=("trackio",)))
    line = refused(main, ["--report-to", "trackio", "--output-dir", tmp_path / "run"], capsys)
    assert line == "error: report_to trackio needs it installed: pip install 'grao_ref[track]'"
    assert not (tmp_path / "run").exists()
