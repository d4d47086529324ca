"""The files that a run writes while it goes on: metrics.jsonl and completions/."""

import json
import math
from dataclasses import replace

import pytest
import torch

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Scores
from grao_ref.runs.folder import Output
from grao_ref.runs.log import Log, completion_rows
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from grao_ref.training.loop import Report
from tests.command import rows_of
from tests.training.batch import BANDIT, NAMES, batch


def words(ids):
    return "".join("abcdefgh"[token % 8] for token in ids)


def test_completions_are_written_as_they_were_sampled(tmp_path):
    log = Log(Output(Config(output_dir=tmp_path)))
    rows = log.completions(Report(7, {}, batch()), NAMES, words)
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
    assert completion_rows(Report(7, {}, replace(batch(), samples=None)), NAMES, words) == []


def test_answers_that_a_reward_function_could_not_score_keep_their_text():
    class Picky(Bandit):
        def reward(self, batch, ids, mask):
            scores, could = super().reward(batch, ids, mask), (ids[..., :1] != 2)
            return Scores(scores.values.masked_fill(~could, 0.0), could)

    task = Picky(torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64), 1, 20)
    policy = TabularPolicy(torch.zeros(20, 3, dtype=torch.float64))
    rng = torch.Generator().manual_seed(0)
    collected = collect(task.draw(rng), task, policy, policy, Config(**BANDIT, num_seeds=20), rng)
    rows = completion_rows(Report(1, {}, collected), list(task.reward_weights), words)
    (name,) = task.reward_weights
    assert {row["completion"] for row in rows} == {"a", "b", "c"}
    assert all((row[name] is None) == (row["completion"] == "c") for row in rows)
    assert not collected.rewards.scored[collected.samples.ids[..., 0] == 2].any()  # and they are ignored
    assert collected.samples.mask.all()  # they were sampled all the same


def test_a_log_writes_nothing_before_it_is_opened_and_then_the_rows_so_far(tmp_path):
    log = Log(Output(Config(output_dir=tmp_path)))
    log.write({"step": 1})
    assert list(tmp_path.iterdir()) == []
    log.open({})
    log.write({"step": 2, "reward": 0.5})
    log.open({})  # a second time: nothing
    log.close()
    assert [row["step"] for row in rows_of(tmp_path)] == [1, 2]


def test_a_row_with_a_metric_that_json_can_not_hold_is_kept_without_it(tmp_path):
    log = Log(Output(Config(output_dir=tmp_path / "run")))
    log.open({})
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"the metric loss of step 1 is {value}; it must be finite"):
            log.write({"step": 1, "loss": value, "reward": 0.5})
    log.close()
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"step": 1, "reward": 0.5}\n' * 2
