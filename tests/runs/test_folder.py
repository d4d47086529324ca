"""What an output folder may hold before and after a command: nothing of another run, no partial files."""

import shutil
from dataclasses import replace

import pytest
import torch

from grao_ref.plugins.blame import blame
from grao_ref.runs.folder import Output
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.train import main
from grao_ref.training.checkpoint import load_checkpoint, save_checkpoint
from grao_ref.training.loop import proceed, start
from grao_ref.training.resuming import checkpoints
from tests.command import SMALL, rows_of
from tests.command import refused as refused_by
from tests.seals import resealed

BANDIT = ["--preset", "bandit", "--num-seeds", "1", "--save-steps", "2", "--eval-steps", "2"]


def run(folder, steps, *more) -> int:
    return main([*BANDIT, "--max-steps", str(steps), "--output-dir", str(folder), *map(str, more)])


def refused(capsys, *arguments) -> str:
    return refused_by(main, arguments, capsys)


def steps_in(folder) -> list[int]:
    return [row["step"] for row in rows_of(folder)]


def test_a_command_refused_before_its_first_step_leaves_the_folder_for_the_corrected_one(tmp_path, capsys):
    folder = tmp_path / "run"
    line = refused(capsys, *BANDIT, "--reward-funcs", "exact", "--output-dir", folder)
    assert "the bandit has its own rewards" in line
    assert not folder.exists()
    line = refused(capsys, "--device", "nowhere", "--output-dir", folder)  # noticed when the run is made
    assert "device 'nowhere' can't be used here" in line
    assert not folder.exists()
    assert run(folder, 2) == 0


def test_a_resumption_with_other_settings_is_refused_before_the_run_s_files_are_touched(tmp_path, capsys):
    assert run(tmp_path, 3) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    shutil.rmtree(tmp_path / "checkpoint-3")  # so that going on would forget a row of the metrics
    resume = ["--config", tmp_path / "config.yaml", "--resume-from-checkpoint", tmp_path]
    assert "learning_rate was 0.2 and is 0.5" in refused(capsys, *resume, "--learning-rate", "0.5")
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert main([*map(str, resume), "--max-steps", "4"]) == 0  # control: it can be resumed
    assert steps_in(tmp_path) == [0, 1, 2, 3, 4]


def test_going_on_elsewhere_does_not_write_over_another_run(tmp_path, capsys):
    assert run(tmp_path / "a", 2) == 0
    assert run(tmp_path / "b", 2) == 0
    resume = ["--config", tmp_path / "a" / "config.yaml", "--resume-from-checkpoint", tmp_path / "a"]
    assert "is not empty" in refused(capsys, *resume, "--output-dir", tmp_path / "b")


def test_a_new_run_in_an_old_folder_keeps_nothing_of_the_old_one(tmp_path):
    """A checkpoint of the old run would be resumed as if it were this one's, its adapter loaded with this model."""
    assert run(tmp_path, 6) == 0
    (tmp_path / "model" / "adapter_config.json").touch()
    (tmp_path / "notes.txt").touch()
    assert run(tmp_path, 2, "--overwrite-output-dir") == 0
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-2"]
    assert not (tmp_path / "model" / "adapter_config.json").exists()
    assert (tmp_path / "notes.txt").exists()
    assert steps_in(tmp_path) == [0, 1, 2]


def test_overwriting_what_the_run_needs_is_refused(tmp_path, capsys):
    assert main([*SMALL, "--max-steps", "1", "--output-dir", str(tmp_path)]) == 0
    needs = ["--model-name-or-path", tmp_path / "model", "--dataset-name", "hh-harmless"]
    line = refused(capsys, *needs, "--output-dir", tmp_path, "--overwrite-output-dir")
    assert "--overwrite-output-dir would delete" in line
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_a_template_in_the_folder_that_would_be_cleared_is_needed_too(tmp_path):
    assert run(tmp_path, 1) == 0
    template = tmp_path / "completions" / "template.jinja"
    template.parent.mkdir()
    template.touch()
    config = Config(output_dir=tmp_path, overwrite_output_dir=True)
    Output(config)  # control
    with pytest.raises(ValueError, match=r"--overwrite-output-dir would delete .*completions, which this run needs"):
        Output(replace(config, run_name=str(template)))  # whatever the setting: a text that is its path


def test_a_folder_that_is_no_run_s_is_written_into_and_not_emptied(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    assert run(tmp_path, 1, "--overwrite-output-dir") == 0
    assert (tmp_path / "model" / "mine").exists()


def test_a_line_that_a_kill_left_half_written_is_forgotten(tmp_path):
    assert run(tmp_path, 2) == 0
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"run": "grao, repaired", "st')
    again = ["--config", tmp_path / "config.yaml", "--resume-from-checkpoint", tmp_path, "--max-steps", "3"]
    assert main([*map(str, again)]) == 0
    assert steps_in(tmp_path) == [0, 1, 2, 3]


def test_checkpoints_are_what_is_named_like_one_and_the_one_just_written_stays(tmp_path):
    config = PRESETS["bandit"]
    training = start(prepare(config).policy, config)
    for name in ("checkpoint-1-best", "checkpoint-8", "checkpoint-9"):
        (tmp_path / name).mkdir()
    training.step = 5  # gone on from an earlier step than the newest
    save_checkpoint(tmp_path, training, config)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-5", "checkpoint-8", "checkpoint-9"]
    assert (tmp_path / "checkpoint-1-best").exists()


@pytest.mark.parametrize("lost", ["policy.safetensors", "training.safetensors", "manifest.json", "metrics.jsonl"])
def test_a_damaged_checkpoint_that_is_named_is_one_line(lost, tmp_path, capsys):
    assert run(tmp_path, 2) == 0
    checkpoint = tmp_path / "checkpoint-2"
    (checkpoint / lost).unlink()
    again = ["--config", tmp_path / "config.yaml", "--resume-from-checkpoint", checkpoint]
    assert f"error: the checkpoint {checkpoint} can't be used: " in refused(capsys, *again)


@pytest.mark.parametrize(("name", "was"), [("device", "cuda"), ("bf16", True)])
def test_a_run_does_not_go_on_where_its_steps_would_be_others(name, was, tmp_path):
    config = PRESETS["bandit"]
    training = start(prepare(config).policy, config)
    folder = save_checkpoint(tmp_path, training, config)
    with resealed(folder) as about:
        about["machine"][name] = was
    with pytest.raises(ValueError, match=f"the checkpoint was trained .* {was}, and this run would go on"):
        load_checkpoint(folder, training, config)


def test_a_run_goes_on_with_the_threads_that_it_had_and_says_which_version_is_another(tmp_path):
    config = PRESETS["bandit"]
    training = start(prepare(config).policy, config)
    folder = save_checkpoint(tmp_path, training, config)
    assert load_checkpoint(folder, training, config) == []
    with resealed(folder) as about:
        about["machine"]["threads"] = 2
        about["versions"]["torch"] = "1.0"
    try:
        threads, warning = load_checkpoint(folder, training, config)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert threads.startswith("Threads: 2, as before")
    assert f"warning: the checkpoint is of torch 1.0, now {torch.__version__}" in warning


def test_a_reward_that_fails_on_the_way_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def failing(*arguments):
        for report in proceed(*arguments):
            yield report
            if report.step == 3:
                with blame("reward function 'judge' raised"):
                    raise TimeoutError("gone")

    monkeypatch.setattr("grao_ref.runs.run.proceed", failing)
    assert main([*BANDIT, "--output-dir", str(tmp_path)]) == 2
    line, on, command = capsys.readouterr().err.splitlines()
    assert line.startswith("error: reward function 'judge' raised TimeoutError: gone (")
    assert on == "To go on from checkpoint-3:"
    assert command == f"  python -m grao_ref.train --config {tmp_path}/config.yaml --resume-from-checkpoint {tmp_path}"
    assert not (tmp_path / "error.txt").exists()  # it was told already
    assert steps_in(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("file", "output_dir {}/file can't be made: {}/file is a file"),
        ("file/below/it", "output_dir {}/file/below/it can't be made: {}/file is a file"),
        ("link", "output_dir {}/link can't be made: {}/link is a link that leads nowhere"),
        ("full", "output_dir {}/full is not empty: name another one, or"),
    ],
)
def test_a_folder_that_can_not_be_used_is_said_before_anything_is_loaded(folder, message, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    with pytest.raises(ValueError, match=message.replace("{}", str(tmp_path))):
        Output(Config(output_dir=tmp_path / folder))
    Output(Config(output_dir=tmp_path / "new" / "run"))  # control; and nothing is made
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("grao_ref.runs.folder.os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(ValueError, match=f"there is no permission to write in {tmp_path}$"):
        Output(Config(output_dir=tmp_path / "new" / "run"))


def test_two_commands_that_begin_at_once_get_two_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = Output(Config()), Output(Config())
    assert first.folder == second.folder
    second.open("", {})
    first.open("", {})
    assert {str(second.folder), str(first.folder)} == {"runs/1", "runs/2"}
    assert "output_dir" not in (first.folder / "config.yaml").read_text()  # a folder may be moved
    named = [Output(Config(output_dir=tmp_path / "one")) for _ in range(2)]
    named[0].open("", {})
    with pytest.raises(ValueError, match="is not empty"):
        named[1].open("", {})


def test_what_a_killed_run_left_unfinished_goes_with_the_next_one(tmp_path):
    assert run(tmp_path, 2) == 0
    for name in (".checkpoint-9.part", ".model.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    (tmp_path / ".mine").touch()
    again = ["--config", tmp_path / "config.yaml", "--resume-from-checkpoint", tmp_path, "--max-steps", "3"]
    assert main([*map(str, again)]) == 0
    assert [path.name for path in tmp_path.glob(".*")] == [".mine"]


def test_a_folder_that_a_run_is_going_on_in_is_locked(tmp_path):
    first = Output(Config(output_dir=tmp_path / "run"))
    first.open("", {})
    again = Config(output_dir=tmp_path / "run", overwrite_output_dir=True)
    with pytest.raises(ValueError, match=f"output_dir {tmp_path}/run is in use: another run that is going on"):
        Output(again)
    first.undo()  # as a run does when it ends
    Output(again)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "config.yaml",
        "metrics.jsonl",
        "sources.json",
    ]


def test_undoing_deletes_what_was_made_and_nothing_else(tmp_path):
    mine = tmp_path / "run" / "tensorboard" / "mine"
    mine.mkdir(parents=True)
    output = Output(Config(output_dir=tmp_path / "run", overwrite_output_dir=True))
    (output.make() / "tensorboard" / "events").mkdir()
    (output.folder / "tensorboard" / "events" / "log").touch()
    output.undo()
    assert sorted(path.name for path in (tmp_path / "run").rglob("*")) == ["mine", "tensorboard"]
    output.open("", {})
    output.undo()  # an opened folder is a run's
    assert (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_disk_that_is_full_when_the_run_s_files_are_written_costs_nothing_of_the_earlier_run(tmp_path, monkeypatch):
    assert run(tmp_path, 2) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    output = Output(Config(output_dir=tmp_path, overwrite_output_dir=True))
    written = type(tmp_path).write_text

    def full(path, text):
        if "sources" in path.name:
            raise OSError(28, "No space left on device", str(path))
        return written(path, text)

    monkeypatch.setattr(type(tmp_path), "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        output.open("", {})
    output.undo()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
