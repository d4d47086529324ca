"""Many runs on one card, tried on a CPU: the model in parts, the deadline, and logs as all that remains."""

import gzip
import hashlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from theory.experiments import card
from theory.experiments.cells import Place, environment, read
from theory.experiments.plan import Entrant, table_of
from theory.experiments.readings import readings

MODEL = bytes(range(256)) * 5
HEX = hashlib.sha256(MODEL).hexdigest()
COPIES = """python -c "import gzip, sys; open(sys.argv[2], 'wb').write(gzip.open(sys.argv[1]).read())" """


@pytest.fixture
def table():
    """`harmless` with the embedded model, two methods and the file of data as it is: a CPU trains it in seconds."""
    return replace(
        table_of("harmless"),
        flags="--max-steps 2 --eval-steps 1 --per-device-train-batch-size 16 --max-eval-prompts 4",
        steps=(1, 2),
        rates=("1e-4",),
        entrants={"GRPO": Entrant("GRPO", "--method grpo"), "SFT": Entrant("SFT", "--method sft")},
        evaluation="--max-eval-prompts 4",
        environment=(),
        makes=(COPIES + "{data}/hh/harmless-base.jsonl.gz {home}/copy.jsonl",),
    )


@pytest.fixture
def given(tmp_path, table, monkeypatch):
    """The command's words but for the hash. In place of the conversion the model's file is copied."""
    monkeypatch.setattr(card, "table_of", lambda name: table)
    copies = 'python -c "import shutil, sys; shutil.copy(*sys.argv[1:])" {gguf} {{home}}/model'
    monkeypatch.setattr(card, "CONVERT", copies)
    parts = [tmp_path / "model-aa", tmp_path / "model-ab"]
    for part, content in zip(parts, (MODEL[:700], MODEL[700:]), strict=True):
        part.write_bytes(content)
    data = tmp_path / "data"
    (data / "hh").mkdir(parents=True)
    (data / "hh" / "harmless-base.jsonl.gz").write_bytes(gzip.compress(b"rows\n"))
    monkeypatch.setenv("GRAO_TEST_DATA", "")  # put back afterwards: the command sets it
    places = ("--home", tmp_path / "home", "--output-dir", tmp_path / "out")
    return ["harmless", "--parts", *parts, "--data", data, *places, "--seeds", "0"]


def ran(given, *more):
    return card.main([str(word) for word in (*given, *more)])


def test_the_command_makes_the_runs_and_leaves_two_logs(given, tmp_path, table):
    assert ran(given, "--sha256", HEX.upper(), "--side-by-side", "2") == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["harmless.jsonl", "harmless.log"]
    lines = read(out / "harmless.jsonl")
    assert {(line["method"], line["seed"]) for line in lines} == {("GRPO", 0), ("SFT", 0)}
    for line in lines:
        assert list(line["curve"]) == ["0", "1", "2"]
        assert line["evaluation"]
        assert line["card"] == "none"
        assert line["torch"].startswith("2.")
        assert line["transformers"].startswith("5.")
    assert set(readings(replace(table, seeds=(0, 1)), lines)["harmless"]) == {"GRPO", "SFT"}
    home = tmp_path / "home"
    assert (home / "model").read_bytes() == MODEL
    assert (home / "copy.jsonl").read_text() == "rows\n"
    said = (out / "harmless.log").read_text()
    assert "2 made; no card was seen" in said
    before = (out / "harmless.jsonl").read_text()
    assert ran(given, "--sha256", HEX) == 0  # what is there is not made again
    assert (out / "harmless.jsonl").read_text() == before


def test_a_wrong_hash_is_refused_with_one_line(given, tmp_path, capsys):
    other = hashlib.sha256(b"another").hexdigest()
    assert ran(given, "--sha256", other) == 2
    told = capsys.readouterr()
    assert told.err == f"error: the parts joined have the SHA-256 {HEX}, expected {other}\n"
    assert told.out == ""
    assert list((tmp_path / "home").iterdir()) == list((tmp_path / "out").iterdir()) == []


def test_parts_in_another_order_are_refused(given, capsys):
    given[2:4] = given[3:1:-1]
    assert ran(given, "--sha256", HEX) == 2
    assert HEX in capsys.readouterr().err


def test_without_the_data_nothing_begins(given, tmp_path, capsys):
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert ran(given, "--sha256", HEX) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_a_command_that_fails_is_said(given, tmp_path, monkeypatch):
    monkeypatch.setattr(card, "CONVERT", 'python -c "1 / 0" {gguf} {{home}}/model')
    assert ran(given, "--sha256", HEX) == 1
    assert "ZeroDivisionError" in (tmp_path / "out" / "harmless.log").read_text()
    assert not (tmp_path / "out" / "harmless.jsonl").exists()


def test_the_conversion_is_the_policy_s_own(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr("grao_ref.policies.smollm2.convert", lambda *paths: told.append(paths))
    table = card.with_model(table_of("harmless"), tmp_path / "a model.gguf")
    words = card.shlex.split(table.makes[0].format(home="HOME", data=""))
    monkeypatch.setattr(sys, "argv", ["-c", *words[3:]])
    exec(words[2], {})
    assert told == [(tmp_path / "a model.gguf", Path("HOME/grao_ref/SmolLM2-135M-Instruct"))]
    from grao_ref.policies.smollm2 import smollm2_folder

    (tmp_path / "grao_ref" / "SmolLM2-135M-Instruct").mkdir(parents=True)
    around = dict(environment(table, tmp_path))
    monkeypatch.setenv("GRAO_CACHE", around["GRAO_CACHE"])
    assert smollm2_folder() == tmp_path / "grao_ref" / "SmolLM2-135M-Instruct"


def test_all_methods_come_with_one_seed_before_the_next():
    table = table_of("harmless")
    cells = card.cells_of(table, [0, 1, 2])
    methods = list(table.entrants)
    assert [(cell.method, cell.seed) for cell in cells] == [(name, seed) for seed in (0, 1, 2) for name in methods]
    assert {cell.count for cell in cells} == {1}


# The deadline.


@pytest.mark.parametrize(("seconds", "found"), [(0.2, card.ENDED), (300.0, None)])
def test_a_process_that_runs_at_the_deadline_is_ended(table, tmp_path, seconds, found):
    """Within 0.2 seconds no trainer has been imported; with time enough it makes its run."""
    began = time.monotonic()
    race = card.Race(replace(table, evaluation=None), tmp_path, card.Limits(1, began + seconds))
    ((cell, result),) = race.results(card.cells_of(table, [0])[:1])
    if found is None:
        assert [line["method"] for line in result] == [cell.method]
    else:
        assert result == found
    assert list(tmp_path.iterdir()) == []
    assert race.spent.keys() == (set() if found else {"GRPO"})


@pytest.mark.parametrize(("seconds", "last"), [(1.0, card.NOT_BEGUN), (60.0, card.DONE)])
def test_a_cell_that_would_not_finish_in_time_is_not_begun(table, tmp_path, monkeypatch, seconds, last):
    """The first takes 0.7 of the first limit's second, so the second is not begun; of 60 seconds enough is left."""
    begun = []

    def runs_of(table, cell, home, until):
        begun.append(cell.method)
        time.sleep(0.7)
        return [{"task": cell.task, "method": cell.method, "rate": cell.rate, "seed": 0, "seconds": 0.7, "curve": {}}]

    monkeypatch.setattr(card, "runs_of", runs_of)
    said = []
    place = Place(tmp_path / "home", tmp_path / "log.jsonl")
    plain = replace(table, makes=())
    monkeypatch.setattr(card, "software", dict)
    limits = card.Limits(1, time.monotonic() + seconds)
    assert card.run(plain, [0], place, limits, said.append) == 0
    assert begun == (["GRPO"] if last == card.NOT_BEGUN else ["GRPO", "SFT"])
    assert [line["method"] for line in read(place.log)] == begun
    assert any(line.startswith("harmless | SFT") and last in line for line in said)


def test_a_method_s_own_time_counts_before_another_s(table, tmp_path, monkeypatch):
    """GRPO took a minute and SFT a second: with 30 seconds left, SFT's next seed is begun and GRPO's is not."""
    monkeypatch.setattr(card, "runs_of", lambda table, cell, home, until: [{}])
    race = card.Race(table, tmp_path, card.Limits(1, time.monotonic() + 30), spent={"GRPO": 60.0, "SFT": 1.0})
    found = {cell.method: result for cell, result in race.results(card.cells_of(table, [1]))}
    assert found == {"GRPO": card.NOT_BEGUN, "SFT": [{}]}


def test_a_run_that_fails_is_said_and_the_others_are_made(table, tmp_path, monkeypatch):
    def runs_of(table, cell, home, until):
        if cell.method == "GRPO":
            raise RuntimeError("no such card")
        return [{"method": cell.method, "seconds": 1.0}]

    monkeypatch.setattr(card, "runs_of", runs_of)
    monkeypatch.setattr(card, "software", dict)
    said = []
    place = Place(tmp_path / "home", tmp_path / "log.jsonl")
    limits = card.Limits(2, time.monotonic() + 60)
    assert card.run(replace(table, makes=()), [0], place, limits, said.append) == 1
    assert [json.loads(line)["method"] for line in place.log.read_text().splitlines()] == ["SFT"]
    assert any("failed: no such card" in line for line in said)
    assert said[-1] == "1 failed; 1 made; no card was seen" or said[-1] == "1 made; 1 failed; no card was seen"


def test_the_card_s_memory_is_what_nvidia_smi_says(tmp_path, monkeypatch):
    assert card.memory_in_use() == 0 or card.shutil.which("nvidia-smi")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 34012\necho 7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert card.memory_in_use() == 34012
