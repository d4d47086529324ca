"""Signals that ask a run to stop: it stops where nothing is lost.

The first Ctrl-C, SIGTERM or SIGHUP breaks off sampling, scoring and evaluation at once, which change nothing, and waits
for the end of everything else: an update, a file. A second Ctrl-C ends the process on the spot.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from grao_ref.training.machine import ALONE, Machine

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
ECHO = 2.0  # seconds in which torchrun passes on a Ctrl-C that its processes have already had from the terminal


class Stopped(KeyboardInterrupt):
    """A run that was asked to stop. signal: by which signal."""

    is_shared = True  # of several processes, all stop together

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


class Stopping:
    """While it is entered, signals are taken as above; a signal that was ignored before stays ignored.

    A run of several processes stops between two steps alone, all of them together: see `check`.
    """

    def __init__(self, machine: Machine = ALONE) -> None:
        self.machine = machine
        self.asked: int | None = None
        self._since = 0.0
        self._depth = 0  # of parts that may be broken off
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopping":
        is_main = threading.current_thread() is threading.main_thread()  # which alone may take signals
        for number in (getattr(signal, name) for name in SIGNALS if is_main and hasattr(signal, name)):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # nohup, a shell's background job; not Python's
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A part that a signal breaks off, in a run of one process. Raises `Stopped`, there or when it begins."""
        if self.machine.processes > 1:
            yield
            return
        with self.preparing():
            self._raise_if_asked()
            yield
        self._raise_if_asked()  # somebody's bare `except:` may have taken it

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """All that comes before the first step: a signal breaks it off, in any run."""
        self._depth += 1
        try:
            yield
        except Exception:
            self._raise_if_asked()  # a library has made an error of its own of it
            raise
        finally:
            self._depth -= 1

    def check(self) -> None:
        """Between two steps: raise `Stopped` in every process where any was asked to stop."""
        asked = [each for each in self.machine.every(self.asked) if each is not None]
        if asked:
            raise Stopped(asked[0])

    def until_it_is_saved(self, stop: BaseException) -> None:
        """Wait for the process that saves the run: where another one ends before, torchrun gives it 30 seconds alone.

        stop: why the run stops. Each process calls this, and waits where each of them knows that.
        """
        if getattr(stop, "is_shared", False):
            with suppress(Exception):  # another one is gone
                self.machine.every(None)

    def _raise_if_asked(self) -> None:
        if self.asked is not None:
            raise Stopped(self.asked)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked, self._since = number, time.monotonic()
            if self._depth:
                raise Stopped(number)
            _say("stopping as soon as nothing is lost; a second Ctrl-C ends the run at once, without a checkpoint")
        elif number == signal.SIGINT and (self.machine.processes == 1 or time.monotonic() - self._since > ECHO):
            _say("ended at once")
            os._exit(128 + number)


def _say(words: str) -> None:
    """On standard error, past every buffer: a signal comes between any two operations."""
    with suppress(OSError):  # the terminal may be gone
        over = "\r\x1b[2K" if os.isatty(2) else "\n"  # in place of the line of progress
        os.write(2, f"{over}{words}\n".encode())
