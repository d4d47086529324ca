"""What a run logs: metrics, files, trackers, the alarm."""

import importlib.util
import json
import math
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from grao_ref.tasks.sorting import Sorting

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Advantages, Batch, Rewards, Samples, Tokens
from grao_ref.runs.log import Alarm, Log, completion_rows, require_tracker, tracker_of
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from grao_ref.training.loop import Report, train
from grao_ref.training.metrics import completion_metrics, reward_metrics, shares

NAN = math.nan
BANDIT = {"model_name_or_path": "tabular", "dataset_name": "bandit", "max_grad_norm": 0.0, "optimizer": "sgd"}
TASK = Sorting(2)
TASK.reward_weights = {"kind": 1.0, "brief": 0.5}


def words(ids):
    return "".join("abcdefgh"[token % 8] for token in ids)


def batch():
    """Two prompts, three samples: one of the first prompt's, and all but one of the second's, could not be scored."""
    ids = torch.tensor([[[1, 2, 3], [4, 0, 0], [5, 6, 0]], [[1, 1, 1], [2, 2, 0], [3, 0, 0]]])
    sampled = torch.tensor([[[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 1, 0], [1, 0, 0]]], dtype=torch.bool)
    outputs = torch.tensor([[1.0, 0.0, NAN], [NAN, 0.5, NAN]])
    parts = torch.tensor([[[1.0, NAN], [0.0, 0.0], [NAN, NAN]], [[NAN, NAN], [0.0, 1.0], [NAN, NAN]]])
    mask = sampled & ~outputs.isnan()[..., None]
    ended = torch.tensor([[False, True, True], [False, True, True]])
    prompts = Tokens(torch.tensor([[0, 7], [7, 7]]), torch.tensor([[True, True], [True, False]]))
    return Batch(
        prompts,
        Tokens(torch.ones(2, 1, dtype=torch.long), torch.ones(2, 1, dtype=torch.bool)),
        samples=Samples(ids, mask, torch.full((2, 3, 3), -0.5) * sampled, ended=ended, sampled=sampled),
        rewards=Rewards(outputs, torch.tensor([0.5, NAN]), parts=parts),
        advantages=Advantages(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([0.25, 0.0])),
    )


def by_hand(expected):
    return {name: pytest.approx(value, nan_ok=True) for name, value in expected.items()}


def test_reward_metrics_by_hand_with_what_could_not_be_scored():
    figures = {name: value.tolist() for name, value in reward_metrics(batch(), TASK).items()}
    assert figures == by_hand(
        {
            "reward": [0.5, 0.5],
            "reward_std": [0.5, 0.0],
            "frac_reward_zero_std": [0.0, 1.0],
            "frac_unscored": [1 / 3, 2 / 3],
            "reference/reward": [0.5, NAN],
            "reference/advantage": [0.25, 0.0],
            "reference/win_rate": [0.5, NAN],
            "rewards/kind/mean": [0.5, 0.0],
            "rewards/brief/mean": [0.0, 1.0],
        }
    )
    nothing = replace(batch(), rewards=Rewards(torch.full((2, 3), NAN), torch.zeros(2), parts=batch().rewards.parts))
    figures = reward_metrics(nothing, TASK)
    assert figures["reward"].isnan().all()
    assert figures["reward_std"].isnan().all()
    assert figures["frac_unscored"].tolist() == [1.0, 1.0]
    assert "reward" not in Report(1, {"reward": figures["reward"]}, nothing).means()  # no figure, rather than NaN


def test_completion_metrics_by_hand():
    figures = {name: value.tolist() for name, value in completion_metrics(batch()).items()}
    assert figures == by_hand(
        {
            "completions/mean_length": [2.0, 2.0],
            "completions/min_length": 1.0,
            "completions/max_length": 3.0,
            "entropy": [0.5, 0.5],
            "completions/clipped_ratio": [1 / 3, 1 / 3],
        }
    )


def test_shares_of_the_loss_sum_to_one():
    terms = {
        "objective/exploration": [3.0, -1.0],
        "objective/imitation": [-2.0, -2.0],
        "objective/alignment": [0.5, 1.5],
    }
    figures = {name: torch.tensor(value) for name, value in terms.items()} | {"grad_norm": torch.tensor(9.0)}
    assert {name: value.item() for name, value in shares(figures).items()} == by_hand(
        {"objective_share/exploration": 0.25, "objective_share/imitation": 0.5, "objective_share/alignment": 0.25}
    )
    assert all(value.isnan() for value in shares({name: torch.zeros(2) for name in terms}).values())


def bandit_run(**settings):
    config = Config(**BANDIT, max_steps=3, num_seeds=20, learning_rate=0.1, **settings)
    task = Bandit(torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64), 1, 20)
    return list(train(task, TabularPolicy(torch.zeros(20, 3, dtype=torch.float64)), config))


def test_shares_of_a_run():
    for report in bandit_run():
        row = report.means()
        share = {name: value for name, value in row.items() if name.startswith("objective_share/")}
        assert sorted(share) == [
            "objective_share/alignment",
            "objective_share/exploration",
            "objective_share/imitation",
        ]
        assert sum(share.values()) == pytest.approx(1)
        sizes = {name: abs(row[name.replace("_share", "")]) for name in share}
        assert share == by_hand({name: size / sum(sizes.values()) for name, size in sizes.items()})
    assert not any(name.startswith("objective_share") for name in bandit_run(method="sft")[0].means())


def test_completions_are_written_as_they_were_said(tmp_path):
    log = Log(tmp_path, [])
    rows = log.completions(Report(7, {}, batch()), list(TASK.reward_weights), words)
    log.close()
    written = [json.loads(line) for line in (tmp_path / "completions/completions_00007.jsonl").read_text().splitlines()]
    assert written == rows
    assert [tuple(row.values()) for row in rows] == [
        (7, "ah", "bcd", 1.0, None, 1.0),
        (7, "ah", "e", 0.0, 0.0, -1.0),
        (7, "ah", "fg", None, None, 0.0),  # what could not be scored is shown all the same
        (7, "h", "bbb", None, None, 0.0),
        (7, "h", "cc", 0.0, 1.0, 0.0),
        (7, "h", "d", None, None, 0.0),
    ]
    assert list(rows[0]) == ["step", "prompt", "completion", "kind", "brief", "advantage"]
    assert completion_rows(Report(7, {}, replace(batch(), samples=None)), ["kind", "brief"], words) == []


def test_answers_that_a_reward_function_could_not_score_keep_their_text():
    class Picky(Bandit):
        def reward(self, batch, ids, mask):
            return super().reward(batch, ids, mask).masked_fill(ids[..., :1] == 2, NAN)

    task = Picky(torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64), 1, 20)
    policy = TabularPolicy(torch.zeros(20, 3, dtype=torch.float64))
    rng = torch.Generator().manual_seed(0)
    collected = collect(task.draw(rng), task, policy, policy, Config(**BANDIT, num_seeds=20), rng)
    rows = completion_rows(Report(1, {}, collected), list(task.reward_weights), words)
    (name,) = task.reward_weights
    assert {row["completion"] for row in rows} == {"a", "b", "c"}
    assert all((row[name] is None) == (row["completion"] == "c") for row in rows)
    assert not collected.samples.mask[collected.samples.ids == 2].any()  # and they are ignored


def test_log_keeps_what_a_resumed_run_had_and_refuses_what_is_no_number(tmp_path):
    log = Log(tmp_path, [{"step": 1}])
    log.write({"step": 2, "reward": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.write({"step": 3, "reward": math.inf})
    log.close()
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2]


def test_event_files_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def curves(folder):
        accumulator = EventAccumulator(str(folder)).Reload()
        return {
            name: [(event.step, event.value) for event in accumulator.Scalars(name)]
            for name in accumulator.Tags()["scalars"]
        }

    tracker = tracker_of(Config(report_to="tensorboard"), tmp_path)
    tracker.log({"reward": 0.5, "objective_share/imitation": 0.25}, 1)
    tracker.log({"reward": 0.75}, 2)
    tracker.close()
    assert curves(tmp_path / "tensorboard") == {
        "reward": [(1, 0.5), (2, 0.75)],
        "objective_share/imitation": [(1, 0.25)],
    }
    for seed in (3, 4):  # each of several runs has its own curve
        tracker = tracker_of(Config(report_to="tensorboard", num_seeds=2, seed=seed), tmp_path / "several")
        tracker.log({"reward": float(seed)}, 1)
        tracker.close()
    assert curves(tmp_path / "several/tensorboard/grao, repaired, seed 4") == {"reward": [(1, 4.0)]}


@pytest.mark.skipif(importlib.util.find_spec("trackio") is None, reason="needs the extra [track]")
def test_trackio_logs_into_its_folder_without_a_network(tmp_path):
    code = """
from pathlib import Path
from grao_ref.settings.config import Config
from grao_ref.runs.log import tracker_of
tracker = tracker_of(Config(report_to="trackio", run_name="mine"), Path("folder"))
tracker.log({"reward": 0.5, "objective/imitation": -0.25}, 1)
tracker.log({"reward": 0.75}, 2)
tracker.close()
"""
    # a process of its own: trackio reads its folder from the environment when it is imported
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "PYTHONPATH": str(Path(__file__).parents[1])}
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


def test_a_tracker_that_is_not_installed_is_named(monkeypatch, tmp_path):
    assert tracker_of(Config(), tmp_path) is None
    require_tracker(Config())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    require_tracker(Config())
    with pytest.raises(ValueError, match=r"report_to trackio needs it installed: pip install 'grao_ref\[track\]'"):
        require_tracker(Config(report_to="trackio"))


def test_alarm_says_once_that_the_references_sink_and_names_the_switch():
    printed = Config(imitate_only_when_ahead=False)
    alarm = Alarm()
    assert [alarm.hear(loglik, printed) for loglik in (-1.0, -0.5, -3.0)] == [None] * 3  # 2 nats, and no more
    warning = alarm.hear(-3.01, printed)
    assert "from -1.00 to -3.01 nats per token, by more than 2.0 (thm-4): --imitate-only-when-ahead leaves" in warning
    assert alarm.hear(-9.0, printed) is None
    repaired = Alarm()
    assert repaired.hear(0.0, Config()) is None
    cure = repaired.hear(-2.5, Config())
    assert "already the repaired objective" in cure
    assert "--imitate" not in cure
    for method in ("sft", "dpo", "ppo", "grpo"):
        silent = Alarm()
        assert [silent.hear(loglik, Config(method=method)) for loglik in (0.0, -50.0)] == [None, None]
