"""The trackers that get the metrics beside metrics.jsonl."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from grao_ref.runs.trackers import TRACKERS, require_tracker, tracker_of, trackers_named
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


class Kept:
    """A tracker that keeps what it is given, and may raise."""

    def __init__(self, raises=""):
        self.rows, self.closed, self.raises = [], False, raises

    def log(self, row, step):
        if self.raises == "log":
            raise OSError("no space")
        self.rows.append((step, row))

    def close(self):
        self.closed = True
        if self.raises == "close":
            raise OSError("no space")


@pytest.fixture
def kept(monkeypatch):
    """Three trackers that can be named: two that work, and one that raises where it is told to."""
    trackers = {"a": Kept(), "b": Kept(), "broken": Kept()}

    def opener(name):
        def open_one(config, folder, run):
            if trackers[name].raises == "open":
                raise RuntimeError("No API key configured.\n Log in.")
            return trackers[name]

        return open_one

    for name in trackers:
        monkeypatch.setitem(TRACKERS, name, opener(name))
    return trackers


def test_several_trackers_get_the_same_rows_and_are_all_closed(kept, tmp_path):
    tracker = tracker_of(Config(report_to=("a", "b", "a")), tmp_path)
    tracker.log({"reward": 0.5}, 1)
    tracker.close()
    assert kept["a"].rows == kept["b"].rows == [(1, {"reward": 0.5})]
    assert kept["a"].closed
    assert kept["b"].closed
    assert not kept["broken"].rows  # control: it was not named


@pytest.mark.parametrize(
    ("raises", "message"),
    [
        ("open", r"report_to broken: opening the tracker raised RuntimeError: No API key configured. Log in."),
        ("log", "report_to broken: the tracker raised OSError: no space"),
        ("close", "report_to broken: closing the tracker raised OSError: no space"),
    ],
)
def test_a_tracker_that_raises_is_named_and_the_others_are_closed(kept, raises, message, tmp_path):
    kept["broken"].raises = raises

    def whole():
        tracker = tracker_of(Config(report_to=("a", "broken", "b")), tmp_path)
        try:
            tracker.log({"reward": 0.5}, 1)
        finally:
            tracker.close()

    with pytest.raises(ValueError, match=message):
        whole()
    assert kept["a"].closed
    assert kept["b"].closed == (raises != "open")  # it was not opened then


def test_none_and_all_are_the_words_of_transformers(monkeypatch):
    assert trackers_named(Config()) == trackers_named(Config(report_to=("none",))) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "wandb" else None)
    assert trackers_named(Config(report_to=("all",))) == ["wandb"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert trackers_named(Config(report_to=("all",))) == []
    for names in (("none", "wandb"), ("all", "wandb"), ("none", "all")):
        with pytest.raises(ValueError, match="none and all stand alone, got"):
            require_tracker(Config(report_to=names))


def test_trackers_get_every_so_many_steps_and_every_evaluation_and_the_log_gets_each(kept, tmp_path):
    flags = ["--preset", "bandit", "--num-seeds", "1", "--max-steps", "9", "--eval-steps", "5", "--report_to", "a"]
    assert main([*flags, "--logging_steps", "4", "--output-dir", str(tmp_path / "some")]) == 0
    assert [step for step, _ in kept["a"].rows] == [0, 4, 5, 8, 9]
    lines = (tmp_path / "some" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(10))
    kept["a"].rows.clear()
    assert main([*flags, "--output-dir", str(tmp_path / "every")]) == 0  # control
    assert [step for step, _ in kept["a"].rows] == list(range(10))


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs the extra [track]")
def test_wandb_logs_into_the_run_s_folder_without_a_network(tmp_path):
    code = """
from pathlib import Path
from grao_ref.runs.trackers import tracker_of
from grao_ref.settings.config import Config
for run in ("first", "second"):
    tracker = tracker_of(Config(report_to=("wandb",), run_name="mine"), Path("folder"), run)
    print(tracker.trackers["wandb"].run.name, tracker.trackers["wandb"].run.config["imitation_coef"])
    tracker.log({"reward": 0.5, "objective/imitation": -0.25}, 1)
    tracker.log({"reward": 0.75}, 2)
    tracker.close()
"""
    (tmp_path / "folder").mkdir()
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("mine")] == ["mine first 0.5", "mine second 0.5"]
    files = [path.read_bytes() for path in (tmp_path / "folder" / "wandb").glob("offline-run-*/*.wandb")]
    assert len(files) == 2
    for content in files:  # protobuf, whose texts stand in it as they are
        assert b"objective/imitation" in content
        assert b"-0.25" in content
        assert b"0.75" in content
        assert b"objective/exploration" not in content  # control
