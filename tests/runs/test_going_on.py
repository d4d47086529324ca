"""A run that was stopped, damaged, cut short or made longer leaves what one that never was leaves."""

import os
import re
import shlex
import shutil
import signal
import sys
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file

from grao_ref.policies.lora import swapped
from grao_ref.train import main
from tests.command import SMALL, refused, rows_of

REWARD = """import os
from grao_ref.rewards.sorting import sorting
count = 0
def f(completions, solution, **columns):
    global count
    count += 1
    {at_call}
    return sorting(completions, solution)
"""
FLAGS = [*SMALL, "--reward-funcs", "careful.f", "--max-steps", "6", "--eval-steps", "3"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("careful", None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happens to."""
    place = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.setattr("grao_ref.runs.train_command.draw", lambda results, path: path.touch())
        ran(place, place / "whole")
        sys.modules.pop("careful", None)
    return place / "whole"


def reward(place, at_call="pass"):
    (place / "careful.py").write_text(REWARD.format(at_call=at_call))
    sys.modules.pop("careful", None)


def ran(place, folder, *more, at_call="pass", code=0, flags=FLAGS):
    reward(place, at_call)
    assert main([*flags, *more, "--output-dir", str(folder)]) == code
    return place / folder


def again(capsys, place):
    """The command that the run has printed, run."""
    command = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert command[:3] == ["python", "-m", "grao_ref.train"]
    reward(place)
    assert main(command[3:]) == 0


def untimed(folder):
    return [{name: value for name, value in row.items() if name != "step_time"} for row in rows_of(folder)]


def assert_same(folder, other):
    assert untimed(folder) == untimed(other)
    ours, theirs = (load_file(each / "model" / "model.safetensors") for each in (folder, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    samples = [{path.name: path.read_text() for path in (each / "completions").iterdir()} for each in (folder, other)]
    assert samples[0] == samples[1]
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


RAISES = "if count == {}: raise TimeoutError('the server is gone')"
KILLS = "if count == {}: os.kill(os.getpid(), {})"


# Calls of the reward: four before training, two in each step, and one in each evaluation, after the steps 3 and 6.
IN_STEP_1, IN_STEP_3, IN_EVALUATION_3, IN_STEP_6, IN_EVALUATION_6 = 6, 9, 11, 16, 18


@pytest.mark.parametrize("call", [IN_STEP_1, IN_STEP_3, IN_EVALUATION_3, IN_STEP_6, IN_EVALUATION_6])
def test_a_reward_that_raises_at_any_time_costs_no_step(call, place, whole, capsys):
    capsys.readouterr()
    ran(place, "stopped", at_call=RAISES.format(call), code=2)
    said = capsys.readouterr().err
    if call == IN_STEP_1:
        assert not (place / "stopped").exists()  # there was nothing to lose
        return
    step = int(re.search(r"To go on from checkpoint-(\d+):", said)[1])
    assert rows_of(place / "stopped")[-1]["step"] == step
    command = shlex.split(said.splitlines()[-1])
    reward(place)
    assert main(command[3:]) == 0
    assert_same_run(place / "stopped", whole)


def assert_same_run(folder, other):
    """But for what a stop leaves: its checkpoint."""
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)
    assert_same(folder, other)


@pytest.mark.parametrize(
    ("name", "call"), [("SIGINT", IN_STEP_3), ("SIGTERM", IN_EVALUATION_3), ("SIGHUP", IN_EVALUATION_6)]
)
def test_a_signal_is_a_save_and_its_number_is_the_exit_code(name, call, place, whole, capsys):
    number = getattr(signal, name)
    capsys.readouterr()
    before = signal.getsignal(number)
    folder = ran(place, "stopped", at_call=KILLS.format(call, int(number)), code=128 + number)
    assert signal.getsignal(number) is before
    assert rows_of(folder)[-1]["step"] == {IN_STEP_3: 2, IN_EVALUATION_3: 3, IN_EVALUATION_6: 6}[call]
    again(capsys, place)
    assert_same_run(folder, whole)


def test_a_reward_with_a_bare_except_does_not_take_the_signal(place, whole, capsys):
    swallow = f"try:\n        {KILLS.format(IN_STEP_3, int(signal.SIGTERM))}\n    except: pass"
    capsys.readouterr()
    folder = ran(place, "stopped", at_call=swallow, code=143)
    again(capsys, place)
    assert_same_run(folder, whole)


def test_a_stop_while_a_longer_run_is_loaded_names_what_is_new(place, whole, capsys):
    """config.yaml still says how long the run was."""
    ran(place, "run", "--max-steps", "4", "--save-steps", "2")
    (place / "careful.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    del sys.modules["careful"]
    capsys.readouterr()
    on = ["--config", "run/config.yaml", "--resume-from-checkpoint", "run", "--max-steps", "6"]
    assert main([*on, "--report-to", "tensorboard", "--run-name", "a b"]) == 143
    command = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert command[3:] == [*on, "--report-to", "tensorboard", "--run-name", "a b"]
    reward(place)
    assert main(command[3:]) == 0
    assert untimed(place / "run") == untimed(whole)


def test_a_run_that_ended_is_made_longer_and_is_one_long_run(place):
    """Its last step was evaluated because it was the last one; in the long run it is not."""
    flags = [*FLAGS, "--save-steps", "2"]
    whole = ran(place, "whole", flags=flags)
    short = ran(place, "short", "--max-steps", "4", flags=flags)
    assert "eval_reward" in rows_of(short)[-1]
    on = ["--config", "short/config.yaml", "--resume-from-checkpoint", "short", "--max-steps", "6"]
    assert main(on) == 0
    assert_same(short, whole)


def test_going_on_from_an_earlier_checkpoint_says_what_comes_after_it(place, capsys):
    flags = [*FLAGS, "--save-steps", "2", "--save-total-limit", "9"]
    whole = ran(place, "whole", flags=flags)
    ran(place, "run", flags=flags)
    earlier = ["--config", "run/config.yaml", "--resume-from-checkpoint", "run/checkpoint-2"]
    line = refused(main, earlier, capsys)
    assert "run has checkpoint-6, which is later than the checkpoint to go on from: name another output_dir" in line
    assert main([*earlier, "--output-dir", "elsewhere"]) == 0
    assert untimed(place / "elsewhere") == untimed(whole)
    assert main([*earlier, "--overwrite-output-dir", "--max-steps", "3"]) == 0
    there = sorted(path.name for path in (place / "run").glob("c*-*"))
    assert there == ["checkpoint-2", "checkpoint-3"]
    assert [path.name for path in (place / "run" / "completions").iterdir()] == ["completions_00003.jsonl"]
    line = refused(main, [*earlier[:3], "run", "--max-steps", "2"], capsys)
    assert "run/checkpoint-3 stands at step 3, and max_steps is 2" in line


def test_the_one_before_a_damaged_checkpoint_is_used_and_it_is_said(place, capsys):
    flags = [*FLAGS, "--save-steps", "2"]
    whole = ran(place, "whole", flags=flags)
    ran(place, "run", "--max-steps", "5", flags=flags)
    assert [path.name for path in sorted((place / "run").glob("checkpoint-*"))] == ["checkpoint-4", "checkpoint-5"]
    weights = place / "run" / "checkpoint-5" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    capsys.readouterr()
    assert main(["--config", "run/config.yaml", "--resume-from-checkpoint", "run", "--max-steps", "6"]) == 0
    said = capsys.readouterr().err
    assert "warning: the checkpoint run/checkpoint-5 can't be used: model.safetensors has changed" in said
    assert "the one before it is used" in said
    assert_same(place / "run", whole)
    for path in (place / "run").glob("checkpoint-*"):
        (path / "model.safetensors").unlink()
    line = refused(main, ["--config", "run/config.yaml", "--resume-from-checkpoint", "run"], capsys)
    assert "there is none before it to use; the checkpoint run/checkpoint-6 can't be used: model.safetensors is" in line


def test_a_moved_run_goes_on_where_it_is_and_its_settings_begin_a_new_run(place, whole):
    ran(place, "runs/1", "--max-steps", "4", "--save-steps", "2")
    shutil.move(place / "runs" / "1", place / "runs" / "good")
    on = ["--config", "runs/good/config.yaml", "--resume-from-checkpoint", "runs/good", "--max-steps", "6"]
    assert main(on) == 0
    assert [path.name for path in (place / "runs").iterdir()] == ["good"]
    assert untimed(place / "runs" / "good") == untimed(whole)
    assert main(["--config", "runs/good/config.yaml", "--max-steps", "2"]) == 0  # new, and elsewhere
    assert [row["step"] for row in rows_of(place / "runs" / "1")] == [0, 1, 2]


@pytest.mark.parametrize("lost", ["metrics.jsonl", "config.yaml", "."])
def test_a_file_that_is_taken_away_while_a_run_goes_on_costs_nothing(lost, place, whole, capsys):
    take = f"if count == {IN_STEP_3}: os.rename('{'stopped' if lost == '.' else f'stopped/{lost}'}', 'taken')"
    capsys.readouterr()
    reward(place, take)
    code = main([*FLAGS, "--output-dir", "stopped"])
    said = capsys.readouterr().err
    if lost == "config.yaml":
        assert code == 0  # nothing reads it while the run goes on
        return
    assert code == 1
    assert re.search(r"error: \[Errno 2\] .*: 'stopped/(metrics.jsonl|completions)'", said)
    command = shlex.split(said.splitlines()[-1])
    assert main(command[3:]) == 0
    assert untimed(place / "stopped") == untimed(whole)


def test_a_disk_that_is_full_is_an_error_of_the_machine_and_leaves_no_half_line(place, whole, capsys, monkeypatch):
    written = os.write

    def full(file, data):
        if b'"step": 4' in bytes(data):
            written(file, bytes(data)[:10])
            raise OSError(28, "No space left on device")
        return written(file, data)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        folder = ran(place, "stopped", code=1)
    said = capsys.readouterr().err
    assert "error: [Errno 28] No space left on device: 'stopped/metrics.jsonl'" in said
    assert [row["step"] for row in rows_of(folder)] == [0, 1, 2, 3]
    assert main(shlex.split(said.splitlines()[-1])[3:]) == 0
    assert_same_run(folder, whole)


def test_completions_that_can_not_be_written_are_kept_in_the_checkpoint(place, whole, capsys, monkeypatch):
    written = type(place).write_text

    def full(path, text, **options):
        if path.parent.name == "completions":
            raise OSError(28, "No space left on device", str(path))
        return written(path, text, **options)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(type(place), "write_text", full)
        folder = ran(place, "stopped", code=1)
    assert (folder / "checkpoint-3" / "completions_00003.jsonl").exists()
    again(capsys, place)
    assert_same_run(folder, whole)


def test_where_nothing_can_be_saved_any_more_that_is_said(place, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("grao_ref.runs.keeper.begin_checkpoint", full)
    ran(place, "stopped", at_call=RAISES.format(IN_STEP_3), code=2)
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("step 2 could not be saved: [Errno 28] No space left on device: 'somewhere'. There is no")


def test_a_stop_within_an_exchange_with_the_reference_model_saves_the_policy_s_own_weights(place, capsys, monkeypatch):
    """LoRA's reference model borrows the tensors of the policy for a forward pass (`policies/lora.py`)."""
    pytest.importorskip("peft")
    flags = [*FLAGS, "--method", "grpo", "--beta", "0.1", "--use-peft", "--lora-r", "2", "--max-steps", "4"]
    whole = ran(place, "whole", flags=flags)
    calls = 0

    @contextmanager
    def halfway(tensors, others):
        nonlocal calls
        calls += 1
        if calls == 4:
            for tensor, other in zip(tensors[::2], others[::2], strict=True):
                tensor.data, other.data = other.data, tensor.data
            os.kill(os.getpid(), signal.SIGTERM)
        with swapped(tensors, others):
            yield

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("grao_ref.policies.causal_lm.swapped", halfway)
        ran(place, "stopped", code=143, flags=flags)
    assert calls == 4
    again(capsys, place)
    assert untimed(place / "stopped") == untimed(whole)
    ours, theirs = (load_file(place / name / "model" / "adapter_model.safetensors") for name in ("stopped", "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_another_run_s_folder_in_the_place_of_this_one_s_is_left_alone(place, capsys):
    ran(place, "other", "--max-steps", "2", "--save-steps", "2")
    before = {path: path.read_bytes() for path in (place / "other").rglob("*") if path.is_file()}
    take = f"if count == {IN_STEP_3}: os.rename('mine', 'taken'); os.rename('other', 'mine')"
    capsys.readouterr()
    ran(place, "mine", at_call=take, code=1)
    said = capsys.readouterr().err
    assert "could not be saved: [Errno 17] another folder has been put in its place: 'mine'" in said
    after = {path: path.read_bytes() for path in (place / "mine").rglob("*") if path.is_file()}
    assert {str(path).replace("/mine/", "/other/"): content for path, content in after.items()} == {
        str(path): content for path, content in before.items()
    }


def test_a_checkpoint_that_stands_elsewhere_takes_over_no_folder(place, capsys):
    run = ran(place, "run", "--save-steps", "2", "--save-total-limit", "9")
    (place / "backup").mkdir()
    shutil.copytree(run / "checkpoint-2", place / "backup" / "checkpoint-2")
    (place / "home").mkdir()
    (place / "home" / "latest").symlink_to(run / "checkpoint-6")
    flags = ["--config", str(run / "config.yaml"), "--resume-from-checkpoint"]
    assert "lies in no run's folder: name an output_dir" in refused(main, [*flags, "backup/checkpoint-2"], capsys)
    assert [path.name for path in (place / "backup").iterdir()] == ["checkpoint-2"]
    assert main([*flags, "home/latest"]) == 0  # it stands in the run
    assert [path.name for path in (place / "home").iterdir()] == ["latest"]
    assert "has the name of a checkpoint" in refused(main, [*FLAGS, "--output-dir", "checkpoint-7"], capsys)
