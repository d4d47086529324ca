"""`make gpu` on a CPU: its own code runs in a tiny form, so that it works when a card comes."""

import json
from dataclasses import replace

import pytest

from tests.gpu import parts
from tests.gpu.__main__ import BUDGET, main, run
from tests.gpu.parts import PARTS, Sizes
from tests.memory.scenarios import Scenario

HERE = {"gpu": None, "lacks": {}}
SMALL = {"num_generations": 2, "per_device_train_batch_size": 4, "max_eval_prompts": 2}
TINY = Sizes(
    device="cpu",
    train=("--max-steps", "2", "--num-generations", "2", "--per-device-train-batch-size", "4", "--eval-steps", "1",
           "--max-eval-prompts", "4", "--max-completion-length", "150"),
    runs=(Scenario("tiny", layers=1, width=64, vocabulary=500, prompt=8, answer=8, settings=SMALL),),
)  # fmt: skip


def ran(tmp_path, chosen, sizes=TINY, machine=HERE):
    said = []
    code = run(chosen, sizes, machine, tmp_path / "gpu.json", said.append)
    written = tmp_path / "gpu.json"
    return code, json.loads(written.read_text())["parts"] if written.exists() else None, said


def test_without_a_gpu_each_part_is_skipped_with_a_line_and_nothing_is_written(tmp_path):
    code, written, said = ran(tmp_path, PARTS, Sizes())
    assert (code, written) == (0, None)
    assert said == [f"{name}: skipped, torch sees no GPU here" for name in PARTS]


def test_without_smollm2_only_the_parts_that_need_it_are_skipped(tmp_path):
    card = {"gpu": "a card", "lacks": {"smollm2": "not installed"}}
    code, written, said = ran(tmp_path, dict.fromkeys(PARTS, lambda sizes: 1), Sizes(), card)
    assert code == 0
    assert list(written) == ["GPU tests", "sampling", "memory"]
    assert said[2] == "training: skipped, not installed"


def test_a_part_that_fails_is_recorded_and_the_others_go_on(tmp_path):
    chosen = {"one": lambda sizes: 1 / 0, "two": lambda sizes: {"seven": 7}}
    code, written, said = ran(tmp_path, chosen)
    assert code == 1
    assert written["one"]["error"] == "ZeroDivisionError: division by zero"
    assert written["two"]["found"] == {"seven": 7}
    assert "failed: ZeroDivisionError" in said[0]
    code, written, _ = ran(tmp_path, {"process": lambda sizes: parts.told(["false"], 5)})
    assert code == 1
    assert "exit code 1" in written["process"]["error"]


def test_all_parts_together_have_eight_minutes(tmp_path):
    limits = []
    chosen = {name: lambda sizes: limits.append(sizes.limit) for name in ("one", "two")}
    run(chosen, TINY, HERE, tmp_path / "gpu.json", lambda line: None, budget=100.0)
    assert all(90 < limit <= 100 for limit in limits)  # and no more than is left
    said = []
    run(chosen, TINY, HERE, tmp_path / "gpu.json", said.append, budget=50.0)
    assert said == ["one: skipped, no time is left", "two: skipped, no time is left"]
    assert BUDGET == 8 * 60


def test_the_part_that_runs_tests_counts_them(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_good():\n    pass\n")
    here = replace(TINY, tests=("--noconftest", "-c", "/dev/null", str(tmp_path)))
    code, written, said = ran(tmp_path, {"GPU tests": PARTS["GPU tests"]}, here)
    assert code == 0, said
    assert written["GPU tests"]["found"]["counts"] == {"passed": 1}
    (tmp_path / "test_one.py").write_text("def test_bad():\n    assert 0\n")
    assert ran(tmp_path, {"GPU tests": PARTS["GPU tests"]}, here)[0] == 1


def test_the_part_that_trains_says_on_what_and_how_it_went(tmp_path):
    from tests.language import save_model

    model = ("--model-name-or-path", save_model(tmp_path / "model", context=512), "--max-prompt-length", "200")
    code, written, said = ran(tmp_path, {"training": PARTS["training"]}, replace(TINY, train=(*TINY.train, *model)))
    assert code == 0, said
    found = written["training"]["found"]
    assert found["rows"] == "made up"
    assert found["steps"] == 2
    assert set(found["eval_reward"]) == {"0", "1", "2"}
    assert found["loss is finite"]


def test_the_part_about_memory_has_a_prediction_and_a_peak_for_each_run(tmp_path, monkeypatch):
    def told(command, limit):
        assert json.loads(command[3])["name"] == "tiny"  # tests/memory/test_measured.py runs it
        return 'a line\n{"bytes": 1000000}\n'

    monkeypatch.setattr(parts, "told", told)
    code, written, said = ran(tmp_path, {"memory": PARTS["memory"]})
    assert code == 0, said
    (row,) = written["memory"]["found"]
    assert row["name"] == "tiny"
    assert row["measured"] == 1_000_000
    assert row["ratio"] == pytest.approx(row["predicted"] / 1_000_000, abs=1e-4)


def test_the_part_that_is_timed_has_the_sides_and_their_ratios(tmp_path, monkeypatch):
    side = {"seconds": {"median": 1.0}, "tokens_per_second": 8.0, "rounds": [1.0], "cpu_rounds": [1.0]}
    point = {"workload": {}, "sides": {"grao": side, "floor": {"failed": "no"}}, "ratios": {"grao/floor": 1}}
    monkeypatch.setattr(parts, "race", lambda scenario, say: [point])
    code, written, _ = ran(tmp_path, {"benchmark": PARTS["benchmark"]})
    assert code == 0
    assert written["benchmark"]["found"]["sides"] == {
        "grao": {"seconds": {"median": 1.0}, "tokens_per_second": 8.0},
        "floor": {"failed": "no"},
    }
    assert parts.short_scenario().workloads[0].device == "cuda"


def test_the_command_itself_says_what_it_skips(capsys, monkeypatch):
    monkeypatch.setattr("tests.gpu.__main__.describe", lambda: HERE)
    assert main(["--only", "memory"]) == 0
    assert capsys.readouterr().out == "memory: skipped, torch sees no GPU here\n"
    with pytest.raises(SystemExit):
        main(["--only", "no such part"])


def test_parts_of_the_same_day_and_machine_stay_beside_those_run_now(tmp_path):
    assert ran(tmp_path, {"one": lambda sizes: 1, "two": lambda sizes: 2})[0] == 0
    assert set(ran(tmp_path, {"two": lambda sizes: 3})[1]) == {"one", "two"}
    assert ran(tmp_path, {"two": lambda sizes: 3})[1]["two"]["found"] == 3
    other = HERE | {"gpu": "another card"}
    assert set(ran(tmp_path, {"two": lambda sizes: 3}, machine=other)[1]) == {"two"}
