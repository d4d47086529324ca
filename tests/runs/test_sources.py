"""A name is not its content: what stands behind the names in the settings, and who notices when it has changed."""

import datetime
import functools
import json
import shutil
import sys
from decimal import Decimal

import pytest

from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row, split_by_prompt
from grao_ref.evaluate import main as evaluate
from grao_ref.methods.grao import GRAO
from grao_ref.runs.sources import code_file, hash_of_file, hash_of_rows, model_files, require_same, reward_files
from grao_ref.train import main
from grao_ref.training.resuming import find_checkpoint
from tests.command import refused, rows_of
from tests.extensions.rloo import RLOO
from tests.language import pairs, save_model, save_rows

SMALL = ["--num-generations", "2", "--per-device-train-batch-size", "4", "--max-eval-prompts", "4", "--eval-steps", "2"]
GOOD = "def f(completions, **columns):\n    return [float(len(answer)) for answer in completions]\n"
AGAIN = ["--config", "run/config.yaml", "--resume-from-checkpoint", "run", "--max-steps", "3"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a model, rows, a reward, and a run of two steps on them."""
    place = tmp_path_factory.mktemp("trained")
    save_model(place / "model")
    save_rows(place / "rows.jsonl", pairs(12))
    (place / "measure.py").write_text(GOOD)
    given = ["--model-name-or-path", "model", "--dataset-name", "rows.jsonl", "--reward-funcs", "measure.f"]
    flags = [*SMALL, *given, "--max-completion-length", "16", "--max-steps", "2", "--save-steps", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "dont_write_bytecode", True)
        assert main([*flags, "--output-dir", "run"]) == 0
    sys.modules.pop("measure", None)
    return place


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A copy of it, which is the current folder."""
    shutil.copytree(trained, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "work"), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path / "work"
    sys.modules.pop("measure", None)


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_run_and_its_checkpoints_hold_the_hashes_of_what_their_settings_name(place):
    found = json.loads((place / "run" / "sources.json").read_text())
    _, manifest, _ = find_checkpoint(place / "run")
    assert manifest["sources"] == found
    assert set(found) == {"dataset_name", "model_name_or_path", "reward_funcs"}
    assert set(found["dataset_name"]) == {"rows to train on", "rows held out"}
    assert found["model_name_or_path"]["model.safetensors"] == hash_of_file(place / "model" / "model.safetensors")
    assert set(found["reward_funcs"]) == {"measure.f"}
    assert "sources" not in (place / "run" / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        (
            "rows.jsonl",
            "number 7?",
            "number 77?",
            "dataset_name names has changed since checkpoint-2 was written (rows",
        ),
        ("rows.jsonl", '"wanted": "e"', '"wanted": "a"', "dataset_name"),  # a column that a reward may read
        (
            "model/config.json",
            '"rms_norm_eps": 1e-06',
            '"rms_norm_eps": 1e-05',
            "model_name_or_path names has changed ",
        ),
        (
            "model/chat_template.jinja",
            "{% endfor %}",
            "{% endfor %}{# other #}",
            "(chat_template.jinja): put it back, or start a new",
        ),
    ],
)
def test_going_on_is_refused_where_a_file_has_changed_behind_its_name(file, old, new, named, place, capsys):
    before = {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()}
    edit(place / file, old, new)
    line = refused(main, AGAIN, capsys)
    assert named in line
    assert "--model-name-or-path run/checkpoint-2" in line
    assert {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()} == before


def test_control_going_on_needs_no_more_than_the_same_rows_and_files(place, capsys):
    """Rows that were saved again in another way are the same rows."""
    rows = [json.loads(line) for line in (place / "rows.jsonl").read_text().splitlines()]
    lines = (json.dumps(dict(reversed(row.items())), indent=None, ensure_ascii=False) for row in rows)
    (place / "rows.jsonl").write_text("\n\n".join(lines) + "\n")
    (place / "model" / "README.md").write_text("a new card")
    assert main(AGAIN) == 0
    assert [row["step"] for row in rows_of(place / "run")] == [0, 1, 2, 3]
    assert "has changed" not in capsys.readouterr().out


def test_a_mended_reward_goes_on_and_says_so(place, capsys):
    edit(place / "measure.py", "float(len(answer))", "float(len(answer)) + 1")
    assert main(AGAIN) == 0
    shown = capsys.readouterr().out
    assert "warning: what reward_funcs names has changed since checkpoint-2 was written (measure.f)" in shown
    assert main([*AGAIN[:-1], "4", "--save-steps", "1"]) == 0
    capsys.readouterr()
    sys.modules.pop("measure")
    assert main([*AGAIN[:-1], "5"]) == 0  # a checkpoint of the mended run knows the mended code
    assert "has changed" not in capsys.readouterr().out


def test_an_evaluation_refuses_other_prompts_and_another_base_and_says_where_the_reward_is_another(place, capsys):
    flags = ["run", "--resamples", "10"]
    assert evaluate(flags) == 0  # control
    assert "has changed" not in capsys.readouterr().out
    edit(place / "measure.py", "float(len(answer))", "float(len(answer)) + 1")
    sys.modules.pop("measure")
    assert evaluate(flags) == 0
    shown = capsys.readouterr().out
    assert "warning: what reward_funcs names has changed since run was trained (measure.f)" in shown
    held_out = rows_that_are_held_out(place)
    edit(place / "rows.jsonl", held_out, held_out.replace("?", "!"))
    assert "dataset_name names has changed since run was trained (rows held out)" in refused(evaluate, flags, capsys)
    edit(place / "rows.jsonl", held_out.replace("?", "!"), held_out)
    edit(place / "model" / "config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05')
    assert "model_name_or_path names has changed since run was trained" in refused(evaluate, flags, capsys)


def rows_that_are_held_out(place) -> str:
    _, held_out = split_by_prompt(load_rows(str(place / "rows.jsonl")), share=0.1, seed=0)
    return held_out[0].prompt[0]["content"]


def test_a_resumption_with_no_step_left_has_the_metrics_from_its_checkpoint(place):
    before = rows_of(place / "run")
    assert [row["step"] for row in before] == [0, 1, 2]
    (place / "run" / "metrics.jsonl").unlink()
    (place / "run" / "curves.png").unlink()
    assert main([*AGAIN[:-1], "2"]) == 0
    assert rows_of(place / "run") == before
    assert (place / "run" / "curves.png").exists()


ROW = Row("2+2=", "4", None, {"level": 1})


@pytest.mark.parametrize(
    "other",
    [
        Row("2+3=", "4", None, {"level": 1}),
        Row("2+2=", "5", None, {"level": 1}),
        Row("2+2=", "4", "5", {"level": 1}),
        Row("2+2=", "4", None, {"level": 2}),
        Row("2+2=", "4", None, {}),
        Row([{"role": "user", "content": "2+2="}], "4", None, {"level": 1}),
    ],
)
def test_any_part_of_a_row_counts_and_so_does_their_order(other):
    assert hash_of_rows([ROW]) != hash_of_rows([other])
    assert hash_of_rows([ROW, other]) != hash_of_rows([other, ROW])
    assert hash_of_rows([ROW, other]) == hash_of_rows([ROW, other])


def test_columns_of_any_kind_are_hashed_by_what_they_hold():
    class Picture:
        pass

    def odd(**columns):
        return hash_of_rows([Row("a", "b", None, columns)])

    assert odd(x=Picture()) == odd(x=Picture())  # never by where it is in memory
    assert odd(x=datetime.date(2026, 1, 2)) != odd(x=datetime.date(2026, 1, 3))
    assert odd(x=b"one") != odd(x=b"two")
    assert odd(x=Decimal("1.5")) != odd(x=Decimal("1.6"))
    assert odd(x="\ud800") != odd(x="\ud801")  # half a character
    assert odd(x=1, y=2) == odd(y=2, x=1)


def test_a_model_is_its_files_and_an_adapter_s_base_is_followed(tmp_path):
    for name, text in {"config.json": "{}", "model.safetensors": "weights", "README.md": "card"}.items():
        (tmp_path / name).write_text(text)
    assert set(model_files(str(tmp_path))) == {"config.json", "model.safetensors"}
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path)}))
    before = model_files(str(adapter))
    assert set(before) == {"adapter_config.json", f"{tmp_path}/config.json", f"{tmp_path}/model.safetensors"}
    (tmp_path / "model.safetensors").write_text("others")
    after = model_files(str(adapter))
    assert {name for name in after if after[name] != before[name]} == {f"{tmp_path}/model.safetensors"}
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": tmp_path.name}))
    assert f"{tmp_path}/model.safetensors" in model_files(str(beside))  # a path from a folder above the adapter's
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tools.jinja").write_text("{{ messages }}")
    assert set(model_files(str(tmp_path))) == {"config.json", "model.safetensors", "tools.jinja"}
    assert "model.safetensors" in model_files("tiny")
    for nothing in ("no/such-model", "You are helpful.\n" * 999, "a\0b", None, ""):
        assert model_files(nothing) == {}


def test_a_model_s_settings_saved_again_with_other_blanks_are_the_same(tmp_path):
    config, broken = tmp_path / "config.json", tmp_path / "other.json"
    config.write_text('{"size": 2, "layers": 1}')
    broken.write_text("{")
    before = model_files(str(tmp_path))
    config.write_text('{\n  "layers": 1,\n  "size": 2\n}\n')
    assert model_files(str(tmp_path)) == before
    config.write_text('{"size": 2, "layers": 2}')
    broken.write_text("[")
    assert all(value != before[name] for name, value in model_files(str(tmp_path)).items())  # control


def test_a_model_of_the_hub_is_its_commit(monkeypatch, tmp_path):
    config = tmp_path / "snapshots" / "abc123" / "config.json"
    monkeypatch.setattr("grao_ref.runs.sources.try_to_load_from_cache", lambda name, file: str(config))
    assert model_files("owner/model") == {"commit": "abc123"}


class Scored:
    def __call__(self, completions, **columns):
        return [1.0 for _ in completions]


SCORED = Scored()
PART = functools.partial(SCORED, level=2)


def test_a_function_is_the_file_that_it_is_named_in_and_the_one_that_it_is_written_in(tmp_path, monkeypatch):
    assert set(reward_files(f"{__name__}.SCORED")) == {f"{__name__}.SCORED"}
    assert code_file(SCORED, f"{__name__}.SCORED").keys() == {f"{__name__}.SCORED"}
    assert reward_files("exact") == {}
    assert reward_files("grao_ref.rewards.checkers.exact") == {}  # this package's
    (tmp_path / "inner.py").write_text("def f(completions, **columns):\n    return [1.0] * len(completions)\n")
    (tmp_path / "outer.py").write_text("from inner import f\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = reward_files("outer.f")
    (tmp_path / "inner.py").write_text("def f(completions, **columns):\n    return [2.0] * len(completions)\n")
    assert reward_files("outer.f") != before
    for name in ("inner", "outer"):
        del sys.modules[name]


def test_a_plug_in_method_is_the_file_of_its_functions():
    assert set(code_file(RLOO, "tests.extensions.rloo.RLOO")) == {"tests.extensions.rloo.RLOO"}
    assert code_file(GRAO, "grao") == {}


def test_what_an_older_run_has_no_hash_of_is_not_compared():
    assert require_same({}, {"dataset_name": {"rows held out": "1"}}, since="then", instead="no") == []
    with pytest.raises(
        ValueError, match=r"what dataset_name names has changed since then \(rows held out\): put it back"
    ):
        require_same(
            {"dataset_name": {"rows held out": "2"}}, {"dataset_name": {"rows held out": "1"}},
            since="then", instead="put it back",
        )  # fmt: skip
