"""A tracker of one's own gets every step of a run without a changed line in the package."""

import pytest

from grao_ref.runs.trackers import TRACKERS, Tracker, register_tracker
from grao_ref.train import main
from tests.command import refused, rows_of
from tests.extensions.tracker import OPENED, Kept

BANDIT = ["--preset", "bandit", "--num-seeds", "2", "--max-steps", "3", "--eval-steps", "3"]
PATH = "tests.extensions.tracker.Kept"


@pytest.fixture(autouse=True)
def _as_before():
    before = dict(TRACKERS)
    OPENED.clear()
    yield
    TRACKERS.clear()
    TRACKERS.update(before)


def numbers_of(row):
    return {name: value for name, value in row.items() if isinstance(value, float)}


@pytest.mark.parametrize("name", ["kept", PATH])
def test_it_gets_what_the_log_gets_by_its_name_and_by_its_dotted_path(name, tmp_path):
    if name == "kept":
        register_tracker("kept", Kept)
    assert main([*BANDIT[:2], "--num-seeds", "1", *BANDIT[4:], "--report-to", name, "--output-dir", str(tmp_path)]) == 0
    (tracker,) = OPENED
    assert isinstance(tracker, Tracker)
    assert tracker.rows == [(row["step"], numbers_of(row)) for row in rows_of(tmp_path)]
    assert [step for step, _ in tracker.rows] == [0, 1, 2, 3]
    assert {"loss", "learning_rate", "grad_norm"} <= set(tracker.rows[1][1])
    assert tracker.closed
    assert (tracker.config.report_to, tracker.folder, tracker.run) == ((name,), tmp_path, None)


def test_each_of_several_runs_opens_one(tmp_path):
    assert main([*BANDIT, "--compare", "--report-to", PATH, "--output-dir", str(tmp_path)]) == 0
    assert [tracker.run for tracker in OPENED] == [
        f"{name}, seed 0" for name in ("sft", "dpo", "ppo", "grpo", "grao, repaired", "grao, as printed")
    ]
    assert all(tracker.closed for tracker in OPENED)


def test_a_taken_name_is_refused_and_the_same_tracker_is_not():
    register_tracker("kept", Kept)
    register_tracker("kept", Kept)
    with pytest.raises(ValueError, match="there is another tracker 'kept' already"):
        register_tracker("kept", lambda config, folder, run: Kept(config, folder, run))
    with pytest.raises(ValueError, match="there is another tracker 'tensorboard' already"):
        register_tracker("tensorboard", Kept)
    for name in ("none", "all", " "):
        with pytest.raises(ValueError, match="a tracker needs a name other than none and all"):
            register_tracker(name, Kept)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tensorbord", "unknown tracker 'tensorbord' in report_to; did you mean tensorboard?"),
        ("zzz", "it has to be one of none, all, tensorboard, trackio, wandb, or package.module.FUNCTION"),
        ("tests.extensions.tracker.Kep", "has no 'Kep'; did you mean Kept?"),
        ("tests.extensions.tracker.OPENED", "is a list; name a function that opens one"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line_before_any_work(name, message, tmp_path, capsys):
    line = refused(main, [*BANDIT, "--report-to", name, "--output-dir", tmp_path / "run"], capsys)
    assert message in line
    assert not (tmp_path / "run").exists()
