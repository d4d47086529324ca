"""The line of progress: what is in it, that it fits, and that nothing of it stays behind."""

import io
import re
import signal
import subprocess

import pytest
from rich.console import Console

from grao_ref.runs.progress import ProgressLine, clock, judged
from grao_ref.train import main
from tests.terminal import on_a_terminal, screen, with_a_terminal

GRAO = {"reward": 0.8123, "reference/reward": 0.667, "loss": -0.12345, "step_time": 0.21, "run": "grao"}
SFT = {"reference/logp_per_token": -1.234, "loss": 1.234, "step_time": 12.3}
BANDIT = ["--preset", "bandit", "--num-seeds", "2", "--output-dir", "run"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines_of(metrics, *, width=80, several=False, steps=3, of=3, name="grao") -> tuple[list[str], str]:
    """What each step drew on a terminal of this width, and all of the bytes."""
    file = Terminal()
    console = Console(file=file, force_terminal=True, width=width, force_interactive=True, color_system=None)
    with ProgressLine(console, of, several=several) as progress:
        for step in range(1, steps + 1):
            progress.step(name, step, of, metrics)
            progress._live.refresh()
    output = file.getvalue()
    return [line for line in re.split(r"[\r\n]|\x1b\[[?\d;]*[A-Za-z]", output) if line.strip()], output


def test_it_has_step_reward_beside_the_references_loss_seconds_and_time_left():
    lines, output = lines_of(GRAO, width=100)
    pattern = r"step 2/3  reward 0\.81 \(references 0\.67\)  loss -0\.123  0\.21 s/step  0:00 left"
    assert any(re.fullmatch(pattern, line) for line in lines)
    assert screen(output) == []  # and is gone at the end
    assert screen(output[: output.rindex("step")] + "step") != []  # control: before the end it was there


def test_a_method_that_samples_nothing_shows_its_references_likelihood():
    assert judged(SFT, "references") == ["references -1.23 nats/token"]
    lines, _ = lines_of(SFT)
    assert any("step 1/3  references -1.23 nats/token  loss 1.23  12 s/step" in line for line in lines)
    assert judged({"loss": 1.0}, "references") == []


@pytest.mark.parametrize("width", [120, 80, 60, 30])
@pytest.mark.parametrize("several", [True, False])
def test_it_is_one_line_on_a_terminal_of_any_width(width, several):
    name = "grao, as printed − imitation, seed 12"
    lines, output = lines_of(GRAO, width=width, several=several, of=200, name=name)
    assert all(len(line) < width for line in lines)
    assert output.count("\n") == 1  # one line replaces another; the last one is erased from below
    if width >= 80:
        assert all("left" in line for line in lines)
        assert all(line.startswith("grao") == several for line in lines)
    if width == 120 and several:
        assert all(line.startswith(name) for line in lines)


def test_what_is_no_terminal_gets_a_plain_line_at_each_tenth_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = io.StringIO()
    with ProgressLine(Console(file=file), 100, several=False) as progress:
        for step in range(1, 101):
            progress.step("", step, 100, GRAO)
    lines = file.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/100"] + [f"{n}/100" for n in range(10, 101, 10)]
    assert all(line.isprintable() for line in lines)


def test_the_time_left_counts_the_steps_of_all_runs_and_none_of_a_checkpoint(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("grao_ref.runs.progress.time.monotonic", lambda: now[0])
    file = io.StringIO()
    with ProgressLine(Console(file=file), 40, several=True) as progress:
        progress.skip(10)
        for step in (11, 12):
            now[0] += 30.0  # seconds
            progress.step("a", step, 20, GRAO)
    assert file.getvalue().splitlines()[-1].endswith(f"{clock(28 * 30.0)} left")
    assert clock(28 * 30.0) == "14:00"


def fails_at_step_300(config, folder, run):
    class Tracker:
        def log(self, row, step):
            if step == 300:
                raise ConnectionError("the network is gone")

        def close(self):
            pass

    return Tracker()


@pytest.fixture
def at_a_terminal(tmp_path, monkeypatch):
    """The command in this process, which has a terminal and an empty folder: its flags -> exit code, what it wrote."""
    monkeypatch.chdir(tmp_path)
    return lambda flags: with_a_terminal(main, flags)


def test_a_run_on_a_terminal_leaves_its_notes_and_its_tables(at_a_terminal):
    code, written = at_a_terminal([*BANDIT, "--max-steps", "60"])
    assert code == 0
    assert "s/step" in written  # it was there
    seen = screen(written)
    assert not [line for line in seen if "s/step" in line]
    assert [line for line in seen if line.startswith("Every step: run/metrics.jsonl")]


def test_an_error_on_the_way_leaves_one_line_and_no_stray_bar(at_a_terminal):
    flags = ["--max-steps", "5000", "--report-to", f"{__name__}.{fails_at_step_300.__name__}"]
    code, written = at_a_terminal([*BANDIT, *flags])
    assert code == 2
    assert "s/step" in written
    seen = "".join(screen(written))  # a long line is several rows
    assert "s/step" not in seen
    assert seen.count("error: ") == 1
    assert "the tracker raised ConnectionError: the network is gone" in seen


def test_an_interruption_leaves_no_stray_bar(tmp_path):
    def interrupt(written: str, process: subprocess.Popen) -> None:
        if "s/step" in written and not sent:
            sent.append(process.send_signal(signal.SIGINT))

    sent = []
    command = ["grao_ref.train", *BANDIT, "--max-steps", "500000"]
    code, written = on_a_terminal(command, cwd=str(tmp_path), seen=interrupt)  # a process of its own
    assert code == 130
    seen = "".join(screen(written))
    assert "s/step" not in seen
    assert "interrupted. The metrics so far are in run/metrics.jsonl." in seen


def test_a_refusal_shows_no_bar_at_all(at_a_terminal):
    code, written = at_a_terminal([*BANDIT, "--reward-funcs", "exact"])
    assert code == 2
    assert "s/step" not in written
    (line,) = written.splitlines()
    assert line.startswith("error: the bandit has its own rewards")


def test_into_a_file_there_are_no_control_characters(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main([*BANDIT, "--max-steps", "20"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "step 20/20  reward " in out
    assert all(line.isprintable() for line in out.splitlines())
