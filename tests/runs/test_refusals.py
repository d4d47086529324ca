"""What somebody else's code raises before the first step: one line, exit code 2, and the folder as it was.

Templates are in tests/text, data files in tests/data, model files in tests/policies; here, that the command's folder is
left alone whatever it was.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from grao_ref.methods.registry import METHODS
from grao_ref.runs.trackers import TRACKERS
from grao_ref.train import main
from tests.command import refused, rows_of
from tests.language import pairs, save_model, save_rows

SMALL = ["--num-generations", "2", "--per-device-train-batch-size", "4", "--max-eval-prompts", "4", "--max-steps", "2"]
GOOD = "def f(completions, **columns):\n    return [float(len(answer)) for answer in completions]\n"
CALL = """calls = 0
def f(completions, **columns):
    global calls
    calls += 1
    if calls == {}:
        raise RuntimeError("this call")
    return [1.0] * len(completions)
"""
METHOD = """from dataclasses import replace
import torch
from grao_ref.methods.grao import GRAO

def fails(*arguments):
    raise LookupError("which samples?")

def torn(logprobs, batch, config):
    return torch.zeros(2) + torch.zeros(3)

"""
TRACKER = """class Tracker:
    def __init__(self, config, folder, run):
        (folder / "mine").mkdir()
        (folder / "mine" / "log").write_text("hello")
        {}

    def log(self, row, step):
        raise KeyError("no such chart")

    def close(self):
        raise RuntimeError("closed twice")
"""


def truncated(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def configured(**values):
    def change(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def written(name, text):
    return lambda folder: (folder / name).write_text(text)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "good")


@pytest.fixture
def place(tmp_path, monkeypatch, model):
    """An empty folder that is the current one, with a model, rows and a reward; imports from it are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("GRAO_TRACEBACK", raising=False)
    shutil.copytree(model, tmp_path / "model")
    save_rows(tmp_path / "rows.jsonl", pairs(12))
    (tmp_path / "good.py").write_text(GOOD)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    METHODS.pop("mine.MINE", None)
    TRACKERS.pop("charts.Tracker", None)


def flags(reward="good.f"):
    given = ["--model-name-or-path", "model", "--dataset-name", "rows.jsonl", "--max-completion-length", "16"]
    return [*SMALL, *given, "--reward-funcs", reward]


def contents(folder) -> dict[str, bytes | None]:
    paths = folder.rglob("*")
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def earlier_run(folder):
    """A folder that --overwrite-output-dir would clear."""
    (folder / "checkpoint-3").mkdir(parents=True)
    for name in ("metrics.jsonl", "curves.png", "config.yaml", "checkpoint-3/training.json"):
        (folder / name).write_text('{"step": 0}\n')


def refused_and_left_alone(place, capsys, arguments) -> str:
    """The line, which is the same for a new folder and for one that is in use; nothing has changed in either."""
    before = contents(place)
    line = refused(main, [*arguments, "--output-dir", "new/deep/run"], capsys)
    assert contents(place) == before
    for module in [name for name in sys.modules if (place / f"{name}.py").exists()]:
        del sys.modules[module]
    earlier_run(place / "old")
    before = contents(place)
    again = refused(main, [*arguments, "--output-dir", "old", "--overwrite-output-dir"], capsys)
    assert contents(place) == before
    assert again == line
    assert len(line) < 1200
    return line


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f(:\n    pass\n", "bad can't be imported: SyntaxError: invalid syntax ("),
        (
            "import not_there_at_all\n",
            "bad can't be imported: ModuleNotFoundError: No module named 'not_there_at_all' (",
        ),
        ("import sys\nsys.exit(0)\n", "bad can't be imported: SystemExit: 0 ("),
        ("class Own(BaseException): ...\nraise Own('a\\nb')\n", "bad can't be imported: Own: a b ("),
        ("def __getattr__(name):\n    raise OSError('lazily')\n", "bad raised OSError: lazily ("),
        ("def f(completions, **columns):\n    return completions['x']\n", "'f' raised TypeError: list indices must"),
        ("import sys\ndef f(completions, **columns):\n    sys.exit()\n", "'f' raised SystemExit: no message ("),
        ("async def f(completions, **columns):\n    raise SystemExit(3)\n", "'f' raised SystemExit: 3 ("),
        (
            "def f(completions, **columns):\n    yield 1.0\n    raise KeyError('late')\n",
            "'f' raised KeyError: 'late' (",
        ),
        ("def f(completions, **columns):\n    return [10**400] * len(completions)\n", "'f' gave completions"),
        (CALL.format(1), "'f' raised RuntimeError: this call ("),  # the probe
        (CALL.format(2), "'f' raised RuntimeError: this call ("),  # the held-out references
        (CALL.format(3), "'f' raised RuntimeError: this call ("),  # the evaluation before training
        (CALL.format(5), "'f' raised RuntimeError: this call ("),  # the first step
    ],
)
def test_a_reward(code, message, place, capsys):
    (place / "bad.py").write_text(code)
    line = refused_and_left_alone(place, capsys, flags("bad.f"))
    assert line.startswith("error: reward function 'f' " if "'f'" in message else "error: reward function 'bad.f': ")
    assert message in line
    assert message.endswith("(") <= ("bad.py, line " in line)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (written("config.json", '{"model_type": '), "config.json' is not a valid JSON file"),
        (written("config.json", "{}"), "Should have a `model_type` key"),
        (written("config.json", "[1]"), "no language model could be loaded from 'model'"),
        (configured(num_attention_heads="two"), "'num_attention_heads' expected int, got str"),
        (configured(num_attention_heads=0, head_dim=None), ""),
        (configured(model_type="nosuch", architectures=["NoSuchForCausalLM"]), "does not recognize this architecture"),
        (configured(model_type="clip", architectures=["CLIPModel"]), "CLIPConfig"),
        (configured(hidden_size=64), "GRAO_TRACEBACK=1 shows what transformers logged"),
        (truncated, "Error while deserializing header"),
        (lambda folder: (folder / "model.safetensors").unlink(), "Error no file named model.safetensors"),
        (written("tokenizer.json", '{"version": "1.0"'), ""),
        (written("tokenizer_config.json", "[]"), ""),
    ],
)
def test_a_model_s_folder(change, message, place, capsys):
    change(place / "model")
    line = refused_and_left_alone(place, capsys, flags())
    assert message in line
    assert "'model'" in line


@pytest.mark.parametrize(
    "template",
    [
        "{% for message in messages %}{{ message.content }}",
        "{{ raise_exception('only users') }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[9].content.x }}",
    ],
)
def test_a_template(template, place, capsys):
    (place / "model" / "chat_template.jinja").write_text(template)
    line = refused_and_left_alone(place, capsys, flags())
    assert "template" in line.lower()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("needs=fails", "method 'mine': needs raised LookupError: which samples? ("),
        ("check=fails", "method 'mine': check raised LookupError: which samples? ("),
        ("advantages=fails", "method 'mine': advantages raised LookupError: which samples? ("),
        ("objective=torn", "method 'mine': objective raised RuntimeError: The size of tensor a (2) must match"),
        ("denominator=lambda batch, config: 'many'", "denominator must be"),
    ],
)
def test_a_method(part, message, place, capsys):
    (place / "mine.py").write_text(METHOD + f"MINE = replace(GRAO, name='mine', {part})\n")
    assert message in refused_and_left_alone(place, capsys, [*flags(), "--method", "mine.MINE"])


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        ("raise ConnectionError('not logged in')", "opening the tracker raised ConnectionError: not logged in ("),
        ("raise SystemExit('no key')", "opening the tracker raised SystemExit: no key ("),
        ("", "the tracker raised KeyError: 'no such chart' ("),
    ],
)
def test_a_tracker_that_has_written_already(opening, message, place, capsys):
    (place / "charts.py").write_text(TRACKER.format(opening))
    line = refused_and_left_alone(place, capsys, [*flags(), "--report-to", "charts.Tracker"])
    assert line.startswith(f"error: report_to charts.Tracker: {message}")


def test_control_the_same_commands_train_where_nothing_raises(place):
    earlier_run(place / "old")
    assert main([*flags(), "--output-dir", "old", "--overwrite-output-dir"]) == 0
    assert [row["step"] for row in rows_of(place / "old")] == [0, 1, 2]
    assert not (place / "old" / "checkpoint-3").exists()
    assert main([*flags(), "--output-dir", "new/deep/run"]) == 0


def test_a_resumed_run_that_is_refused_keeps_the_rows_that_going_on_would_forget(place, capsys):
    assert main([*flags(), "--save-steps", "1", "--output-dir", "run"]) == 0
    (place / "good.py").write_text(CALL.format(2))
    del sys.modules["good"]
    before = contents(place / "run")
    again = ["--config", "run/config.yaml", "--resume-from-checkpoint", "run/checkpoint-1", "--overwrite-output-dir"]
    assert "this call" in refused(main, again, capsys)
    assert contents(place / "run") == before
    (place / "good.py").write_text(GOOD)  # control: the mended function goes on
    del sys.modules["good"]
    assert main([*again, "--max-steps", "3"]) == 0
    assert [row["step"] for row in rows_of(place / "run")] == [0, 1, 2, 3]


def test_what_fails_after_the_first_step_keeps_the_files_and_says_how_to_go_on(place, capsys):
    (place / "good.py").write_text(CALL.format(9))
    assert main([*flags(), "--max-steps", "9", "--output-dir", "run"]) == 2  # without --save-steps
    line, on, command = capsys.readouterr().err.splitlines()
    assert "this call" in line
    rows = rows_of(place / "run")
    assert on == f"To go on from checkpoint-{rows[-1]['step']}:"
    assert len(rows) >= 2
    (place / "good.py").write_text(GOOD)
    del sys.modules["good"]
    assert main(command.split()[3:]) == 0
    assert [row["step"] for row in rows_of(place / "run")] == list(range(10))


def test_an_exception_of_nobody_s_after_the_first_step_has_its_traceback_in_a_file(place, capsys, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("a bug of ours")

    with monkeypatch.context() as patch:
        patch.setattr("grao_ref.runs.run.Log.completions", broken)
        assert main([*flags(), "--eval-steps", "2", "--output-dir", "run"]) == 1
    line, on, _ = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ZeroDivisionError: a bug of ours (")
    assert line.endswith("; the traceback is in run/error.txt")
    assert on == "To go on from checkpoint-2:"
    assert "Traceback (most recent call last)" in (place / "run" / "error.txt").read_text()
    assert main([*flags(), "--output-dir", "run", "--overwrite-output-dir"]) == 0  # and goes with the next run
    assert not (place / "run" / "error.txt").exists()


@pytest.mark.parametrize(
    "code", ["import sys\nsys.exit(0)\n", "import time\nprint('here', flush=True)\ntime.sleep(60)\n"]
)
def test_a_real_process_that_ends_in_an_import_or_is_interrupted_there_makes_nothing(code, place):
    (place / "bad.py").write_text(code)
    command = [sys.executable, "-m", "grao_ref.train", *flags("bad.f"), "--output-dir", "new/run"]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(__file__)))}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "sleep" in code:
        while "here" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert not (place / "new").exists()
    if "sleep" in code:
        assert process.returncode == 130
        assert said == "\ninterrupted. No step has been made, and nothing was written.\n"
    else:
        assert process.returncode == 2
        assert said.startswith("error: reward function 'bad.f': bad can't be imported: SystemExit: 0 (")
        assert said.count("\n") == 1
