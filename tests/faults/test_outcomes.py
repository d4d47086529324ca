"""The suite's own judgement: each difference between two runs is found, and each way of ending is known."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.faults import soak, table
from tests.faults.damages import KINDS, at_random
from tests.faults.harness import Ended, visits
from tests.faults.kills import is_write
from tests.faults.outcomes import (
    EXACT,
    HANG,
    LOST,
    MISSAID,
    SAID,
    SKIPPED,
    TRACEBACK,
    WRONG,
    Trial,
    differences,
    newest,
    resumed,
    steps,
    stopped,
)
from tests.faults.signals import printed


@pytest.fixture
def pair(tmp_path):
    """Two folders of the same run."""
    whole = tmp_path / "whole"
    for name in ("checkpoint-2", "checkpoint-4", "model", "completions"):
        (whole / name).mkdir(parents=True)
    for name in ("checkpoint-2", "checkpoint-4", "model"):
        save_file({"w": torch.arange(4.0), "b": torch.tensor(1.0)}, whole / name / "model.safetensors")
        (whole / name / "config.json").write_text("{}")
    save_file({"0.exp_avg": torch.ones(3), "rng": torch.arange(5)}, whole / "checkpoint-4" / "training.safetensors")
    lines = [{"step": step, "loss": step / 3, "step_time": 0.1} for step in range(5)]
    (whole / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (whole / "completions" / "completions_00004.jsonl").write_text("{}\n")
    shutil.copytree(whole, tmp_path / "ours")
    return whole, tmp_path / "ours"


def edit(path, change):
    found = load_file(path)
    change(found)
    save_file(found, path)


def lines(folder, change):
    path = folder / "metrics.jsonl"
    path.write_text("".join(change(path.read_text().splitlines(True))))


def flip(tensors):
    tensors["w"].view(torch.int32)[2:3].bitwise_xor_(1)


CHANGES = {
    "a flipped bit of a weight": lambda f: edit(f / "model/model.safetensors", flip),
    "minus zero": lambda f: edit(f / "model/model.safetensors", lambda t: t["w"][0].neg_()),
    "a scalar": lambda f: edit(f / "checkpoint-4/model.safetensors", lambda t: t.update(b=torch.tensor(1.5))),
    "another type": lambda f: edit(f / "model/model.safetensors", lambda t: t.update(w=t["w"].int())),
    "a moment": lambda f: edit(f / "checkpoint-4/training.safetensors", lambda t: t["0.exp_avg"].mul_(2)),
    "a missing tensor": lambda f: edit(f / "model/model.safetensors", lambda t: t.pop("b")),
    "a missing file": lambda f: (f / "checkpoint-4/training.safetensors").unlink(),
    "a missing checkpoint": lambda f: shutil.rmtree(f / "checkpoint-4"),
    "another config.json": lambda f: (f / "model/config.json").write_text('{"a": 1}'),
    "a missing row": lambda f: lines(f, lambda rows: rows[:2] + rows[3:]),
    "a row twice": lambda f: lines(f, lambda rows: [*rows, rows[-1]]),
    "half a row": lambda f: lines(f, lambda rows: [*rows[:-1], rows[-1][:9]]),
    "another figure": lambda f: lines(f, lambda rows: [*rows[:-1], '{"step": 4, "loss": 1.3}\n']),
    "no metrics": lambda f: (f / "metrics.jsonl").unlink(),
    "other completions": lambda f: (f / "completions/completions_00004.jsonl").write_text("[]\n"),
    "a file left over": lambda f: (f / ".checkpoint-6.part").mkdir(),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_difference_is_found(change, pair):
    change(pair[1])
    assert list(differences(*pair))
    assert resumed(Ended(0, "", "", 1.0), *pair, "fault").seen == WRONG


def test_control_the_same_run_has_no_difference_and_seconds_are_not_compared(pair):
    lines(pair[1], lambda rows: [row.replace("0.1", "0.7") for row in rows])
    assert list(differences(*pair)) == []
    assert resumed(Ended(0, "", "", 1.0), *pair, "fault").seen == EXACT


ERROR = "error: the disk is full\n"


@pytest.mark.parametrize(
    ("ended", "codes", "seen"),
    [
        (Ended(1, "", ERROR, 1.0), (1,), SAID),
        (Ended(1, "", f"warning: slow\n{ERROR}To go on:\n  python -m x\n", 1.0), (1,), SAID),
        (Ended(130, "", "\ninterrupted. To go on\n", 1.0), (130,), SAID),
        (Ended(0, "", "", 1.0), (0, 2), SAID),
        (Ended(0, "", "", 1.0), (1,), WRONG),
        (Ended(2, "", ERROR, 1.0), (1,), MISSAID),
        (Ended(1, "", "", 1.0), (1,), MISSAID),
        (Ended(1, "", ERROR * 2, 1.0), (1,), MISSAID),
        (Ended(1, "", "Traceback (most recent call last):\n" + ERROR, 1.0), (1,), TRACEBACK),
        (Ended(0, "Exception in thread Thread-1:", "", 1.0), (0,), TRACEBACK),
        (Ended(120, "", "", 1.0), (0, 120), TRACEBACK),
        (Ended(-11, "", "", 1.0), (1,), TRACEBACK),
        (Ended(None, "", "", 60.0), (1,), HANG),
    ],
)
def test_every_end_is_told_from_the_others(ended, codes, seen):
    assert stopped(ended, codes, "fault").seen == seen


def test_a_run_that_does_not_go_on_is_lost_unless_it_may_refuse(pair):
    ended = Ended(2, "", ERROR, 1.0)
    assert resumed(ended, *pair, "fault").seen == LOST
    assert resumed(ended, *pair, "fault", said=(2,)).seen == SAID


def test_steps_and_checkpoints_are_read_as_far_as_they_can_be(pair):
    _, ours = pair
    assert (steps(ours), newest(ours)) == ([0, 1, 2, 3, 4], 4)
    lines(ours, lambda rows: [*rows[:2], "half"])
    assert steps(ours) == [0, 1]
    shutil.rmtree(ours / "checkpoint-4")
    (ours / ".checkpoint-9.part").mkdir()
    assert newest(ours) == 2


def test_the_printed_command_is_split_as_a_shell_does():
    last = "  python -m grao_ref.train --config 'runs/a b/config.yaml' --resume-from-checkpoint 'runs/a b'\n"
    ended = Ended(130, "", "interrupted. To go on from checkpoint-4:\n" + last, 1.0)
    words = ["--config", "runs/a b/config.yaml", "--resume-from-checkpoint", "runs/a b"]
    assert printed(ended) == words
    assert printed(Ended(130, "", last + "interrupted\n", 1.0)) is None  # it stands last, or a reader has to search
    assert printed(Ended(130, "", "grao_ref.train 'open", 1.0)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_checkpoint_is_another(kind, pair):
    import random

    _, ours = pair
    edit(ours / "checkpoint-2/model.safetensors", lambda t: t["w"].add_(1))
    before = {path: path.read_bytes() for path in (ours / "checkpoint-4").iterdir()}
    for seed in range(5):
        at_random(ours, kind, random.Random(seed))
        now = {path: path.read_bytes() for path in (ours / "checkpoint-4").iterdir()}
        assert now != before
        for path, content in before.items():
            path.write_bytes(content)


def test_operations_that_write_are_told_from_those_that_read():
    import os

    assert is_write("open", ("f", "w", os.O_WRONLY | os.O_CREAT))
    assert is_write("open", ("f", None, os.O_RDWR))
    assert is_write("os.rename", ("a", "b", -1, -1))
    assert not is_write("open", ("f", "r", os.O_RDONLY))
    assert not is_write("open", ("f", None, os.O_RDONLY))
    assert not is_write("os.listdir", ("f",))


def test_what_grows_is_seen_and_what_is_flat_is_not():
    calm = [{"MiB": 300.0 + n % 2, "descriptors": 9.0} for n in range(60)]
    done = Trial("fault", SAID)
    assert soak.judged("fault", calm, "60 steps", done).seen == SAID
    leaks = [each | {"descriptors": 9.0 + n} for n, each in enumerate(calm)]
    assert soak.judged("fault", leaks, "60 steps", done).seen == WRONG
    swollen = [each | {"MiB": 300.0 + 2 * n} for n, each in enumerate(calm)]
    assert soak.judged("fault", swollen, "60 steps", done).seen == WRONG
    assert soak.judged("fault", calm[:4], "4 steps", done).seen == WRONG  # too little to tell


def test_the_table_counts_what_was_tried(tmp_path):
    trials = [Trial("a", EXACT), Trial("a", SAID), Trial("a", WRONG, "why"), Trial("b", SKIPPED, "not root")]
    first, second = table.rows({"part": trials})
    assert (first["tried"], first["kept"], first["bad"], first["details"]) == (3, 2, 1, ["why"])
    assert (second["tried"], second["bad"]) == (0, 0)
    about = {"seed": 3, "short": True, "minutes": 1.0, "path": tmp_path / "faults.json"}
    for part in ("other", "part"):  # one after the other: both are kept
        table.record({part: trials}, **about, seconds={part: 90.0})
    parts = json.loads((tmp_path / "faults.json").read_text())["parts"]
    assert list(parts) == ["other", "part"]
    assert (parts["part"]["seed"], parts["part"]["minutes"], len(parts["part"]["rows"])) == (3, 1.5, 2)
    assert parts["part"]["machine"]["versions"]["torch"]


def test_no_phase_has_begun_in_this_process():
    assert visits("save") == 0
