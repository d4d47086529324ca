"""What a signal breaks off, what it waits for, and what becomes of one that somebody swallows."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass

import pytest

from grao_ref.runs.stopping import Stopped, Stopping
from grao_ref.runs.terminal import Lasting
from grao_ref.training.machine import Machine


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_part_that_may_be_broken_off_is_left_at_once_and_the_rest_when_it_is_done(name):
    number = getattr(signal, name)
    done = []
    with Stopping() as stopping:
        with pytest.raises(Stopped) as stopped:  # noqa: PT012, SIM117 it comes between two statements
            with stopping.at_once():
                send(number)
                done.append("sampled")
        assert stopped.value.signal == number
    with Stopping() as stopping:
        send(number)
        done.append("updated")
        with pytest.raises(Stopped) as stopped:
            stopping.check()
        assert stopped.value.signal == number
    assert done == ["updated"]


def test_a_signal_that_came_before_a_part_or_is_swallowed_in_it_ends_it_all_the_same():
    with Stopping() as stopping:
        send()
        with pytest.raises(Stopped), stopping.at_once():
            raise AssertionError("it was begun")
    with Stopping() as stopping, pytest.raises(Stopped), stopping.at_once(), suppress(BaseException):
        send()  # `suppress`: as a bare `except:` in somebody's reward function does
    with Stopping() as stopping:  # control: nothing was sent
        stopping.check()
        with stopping.at_once():
            pass


def test_handlers_are_put_back_and_what_was_ignored_stays_ignored():
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with Stopping() as stopping:
            assert signal.getsignal(signal.SIGTERM) == stopping._take
            send(signal.SIGHUP)
            stopping.check()
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_than_the_first_signals_are_left_alone():
    errors = []

    def use():
        try:
            with Stopping() as stopping:
                stopping.check()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not errors


@dataclass(frozen=True)
class Pair(Machine):
    """The first of two processes, of which the other was asked to stop."""

    processes: int = 2
    other: int | None = None

    def every(self, value):
        return [value, self.other]


def test_several_processes_stop_together_between_two_steps():
    with Stopping(Pair(other=signal.SIGTERM)) as stopping:
        with stopping.at_once():
            pass
        with pytest.raises(Stopped):
            stopping.check()
    with Stopping(Pair()) as stopping:
        with stopping.at_once():
            send()  # nothing is broken off: the other process would wait for this one
        with pytest.raises(Stopped):
            stopping.check()
    with Stopping(Pair()) as stopping:
        stopping.check()  # control


SECOND = """import os, signal, time
from grao_ref.runs.stopping import Stopping
with Stopping() as stopping:
    os.kill(os.getpid(), signal.{first})
    os.kill(os.getpid(), signal.{second})
    print("still here", flush=True)
"""


@pytest.mark.parametrize(
    ("first", "second", "code"), [("SIGINT", "SIGINT", 130), ("SIGTERM", "SIGINT", 130), ("SIGINT", "SIGTERM", 0)]
)
def test_a_second_ctrl_c_ends_on_the_spot(first, second, code):
    script = SECOND.format(first=first, second=second)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert ("still here" in ended.stdout) == (code == 0)
    assert "a second Ctrl-C ends the run at once" in ended.stderr


LOST = """import sys
from grao_ref.runs.terminal import lasting_streams
with lasting_streams():
    for line in range(200_000):
        print("a line", line)
    print("done", file=sys.stderr)
"""


@pytest.mark.parametrize("shell", ["| head -1", "> /dev/full", ">&-"])
def test_a_stream_that_can_not_be_written_ends_nothing(shell):
    command = f'"$0" -c "$1" {shell}; exit ${{PIPESTATUS[0]}}'
    arguments = ["bash", "-c", command, sys.executable, LOST]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == "done\n"


def test_a_stream_without_a_file_and_one_that_is_closed_take_what_is_written(tmp_path):
    stream = (tmp_path / "out").open("w")
    lasting = Lasting(stream)
    assert lasting.write("words") == 5
    lasting.flush()
    stream.close()
    assert lasting.write("more words") == 10
    lasting.flush()
    assert not lasting.isatty()
    nowhere = Lasting(None)
    assert nowhere.write("x") == 1
    for each in (lasting, nowhere):
        each.end()
    assert (tmp_path / "out").read_text() == "words"


def test_a_letter_that_the_terminal_has_not_costs_no_other_one(tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        lasting = Lasting(stream)
        lasting.write("→ up\n")
        lasting.write("more\n")
        lasting.end()
    assert (tmp_path / "out").read_text() == "\\u2192 up\nmore\n"


def test_a_stream_of_somebody_s_own_needs_no_more_than_write():
    class Tee:
        def write(self, text):
            written.append(text)

    written = []
    lasting = Lasting(Tee())
    assert lasting.write("words") == 5
    lasting.end()
    assert written == ["words"]


def test_an_error_that_a_library_makes_of_a_signal_is_the_signal():
    """safetensors does so while it loads a file."""

    def load(is_sent):
        with suppress(KeyboardInterrupt):
            if is_sent:
                send()
        raise RuntimeError("could not determine the shape")

    for part in (Stopping.preparing, Stopping.at_once):
        with Stopping() as stopping, pytest.raises(Stopped), part(stopping):
            load(is_sent=True)
        with Stopping() as stopping, pytest.raises(RuntimeError), part(stopping):  # control
            load(is_sent=False)
