"""A command in a child of this process: forked after the imports, so that a trial takes one second and not ten.

torch must have no threads of its own when this process forks: call `prepare` before anything is computed.
"""

import importlib
import io
import mmap
import os
import signal
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMING = {"step_time"}  # of a row of metrics: the one figure that is another each time
PATIENCE = 60.0  # seconds for a run that takes two: past them it hangs
PHASES = {  # what a run is doing: the function that does it, where it is called
    "collect": ("grao_ref.training.loop", "collect"),
    "update": ("grao_ref.training.loop", "updates"),
    "save": ("grao_ref.runs.keeper", "begin_checkpoint"),
    "seal": ("grao_ref.runs.keeper", "finish_checkpoint"),  # in a thread, beside the next step
    "evaluate": ("grao_ref.runs.run", "Run.evaluate"),
    "final save": ("grao_ref.runs.every_run", "save_model"),
    "log": ("grao_ref.runs.log", "Log.open"),
    "load": ("grao_ref.runs.run", "load_checkpoint"),
    "picture": ("grao_ref.runs.train_command", "draw"),
}
NAMES = tuple(PHASES)
SHARED = mmap.mmap(-1, 8 + 4 * len(NAMES))  # the phase (-1: none), then how often each has begun: child to parent
TRACEBACK = 99  # exit code of a child whose exception nobody caught
Command = Callable[[list[str]], int]


@dataclass(frozen=True)
class Ended:
    """How a command ended. code: None where it hung, -9 where SIGKILL ended it."""

    code: int | None
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """The end of what it wrote on standard error, in a line."""
        return " ".join(self.err.split())[-300:]


@dataclass
class Child:
    """A command that runs. It writes standard output and error into files."""

    pid: int
    out: Path
    err: Path
    began: float = field(default_factory=time.monotonic)
    _status: int | None = None

    def ended(self) -> bool:
        """Whether it has ended, without waiting."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def send(self, number: int) -> None:
        """A signal, if there is still somebody to get it."""
        if not self.ended():
            os.kill(self.pid, number)

    def wait(self, patience: float = PATIENCE) -> Ended:
        """How it ended. Past `patience` seconds it is killed, and its code is None."""
        until = time.monotonic() + patience
        while not self.ended() and time.monotonic() < until:
            time.sleep(0.002)
        hung = not self.ended()
        if hung:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._status = -signal.SIGKILL
        out, err = (path.read_text(errors="replace") if path.is_file() else "" for path in (self.out, self.err))
        return Ended(None if hung else self._status, out, err, time.monotonic() - self.began)

    def wait_for(self, phase: str, visit: int = 1, patience: float = PATIENCE) -> bool:
        """Wait until a phase has begun for the `visit`-th time; False where the command ended before."""
        until = time.monotonic() + patience
        while not self.ended() and time.monotonic() < until:
            if visits(phase) >= visit:
                return True
            time.sleep(0.0002)
        return False


def prepare() -> None:
    """Import everything that a trial needs. Called once, before the first fork."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    import torch

    torch.set_num_threads(1)
    for module in ("grao_ref.train", "grao_ref.setups", "grao_ref.methods.registry", "transformers", "safetensors"):
        importlib.import_module(module)
    for module in ("transformers.models.qwen2.modeling_qwen2", "transformers.models.llama.modeling_llama", "peft"):
        with suppress(ImportError):
            importlib.import_module(module)
    for module, _ in PHASES.values():
        importlib.import_module(module)
    once = [
        "--num-generations",
        "2",
        "--per-device-train-batch-size",
        "4",
        "--max-eval-prompts",
        "4",
        "--max-steps",
        "1",
    ]
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):  # whatever is computed once and kept
        if train([*once, "--output-dir", f"{folder}/run"]) != 0:
            raise RuntimeError("a run to which nothing happens fails")
    if threading.active_count() > 1:
        raise RuntimeError(f"a child can't be forked beside the threads {threading.enumerate()}")


def train(arguments: list[str]) -> int:
    """`python -m grao_ref.train`."""
    return importlib.import_module("grao_ref.train").main(arguments)


def phase() -> str:
    """What the child is doing."""
    (now,) = struct.unpack("i", SHARED[:4])
    return "between" if now < 0 else NAMES[now]


def visits(name: str) -> int:
    """How often the child has begun a phase."""
    at = 8 + 4 * NAMES.index(name)
    return struct.unpack("i", SHARED[at : at + 4])[0]


def instrument(picture: bool = False) -> None:
    """In the child: write into `SHARED` what it does. Without `picture` none is drawn, since it costs a second."""
    for index, (module, path) in enumerate(PHASES.values()):
        owner: Any = importlib.import_module(module)
        *outer, last = path.split(".")
        for name in outer:
            owner = getattr(owner, name)
        function = getattr(owner, last)
        if last == "draw" and not picture:
            function = _no_picture
        setattr(owner, last, _marked(index, function))


def _no_picture(_: object, path: Path) -> None:
    Path(path).touch()


def _marked(index: int, function: Callable[..., Any]) -> Callable[..., Any]:
    at = 8 + 4 * index

    def marked(*args: Any, **kwargs: Any) -> Any:
        SHARED[at : at + 4] = struct.pack("i", struct.unpack("i", SHARED[at : at + 4])[0] + 1)
        SHARED[:4] = struct.pack("i", index)
        try:
            return function(*args, **kwargs)
        finally:
            SHARED[:4] = struct.pack("i", -1)

    return marked


def start(
    arguments: Sequence[object],
    beside: Path,
    *,
    inside: Callable[[], object] | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    command: Command = train,
) -> Child:
    """The command in a child, with `beside`.out and .err as standard output and error.

    inside: called in the child before the command; it may change descriptors, patch, or set a trap.
    """
    child = Child(0, beside.with_suffix(".out"), beside.with_suffix(".err"))
    SHARED[:4] = struct.pack("i", -1)
    SHARED[8:] = bytes(len(SHARED) - 8)
    sys.stdout.flush()
    sys.stderr.flush()
    child.pid = os.fork()
    if child.pid:
        return child
    code = TRACEBACK
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, path in ((1, child.out), (2, child.err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(environment or {})
        if cwd is not None:
            os.chdir(cwd)
        instrument()
        if inside is not None:
            inside()
        _own_streams()
        code = _run(command, [str(argument) for argument in arguments])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _own_streams() -> None:
    """Python's own over descriptors 1 and 2, as a new interpreter makes them; None where one is closed."""
    try:
        sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    except OSError:
        sys.stdout = sys.__stdout__ = None
    with suppress(OSError):
        sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False, errors="backslashreplace")


def _run(command: Command, arguments: list[str]) -> int:
    """Run the command and end as an interpreter does: exit code, threads that are waited for, output flushed."""
    try:
        code: Any = command(arguments)
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:
        traceback.print_exc()
        code = 130
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        if code is not None:
            print(code, file=sys.stderr)
        code = 0 if code is None else 1
    with suppress(KeyboardInterrupt):
        threading._shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            if stream is sys.stdout:
                with suppress(OSError):
                    os.write(2, b"Exception ignored while flushing sys.stdout\n")
                code = 120
    return code & 0xFF


def finish(
    arguments: Sequence[object],
    beside: Path,
    patience: float = PATIENCE,
    **options: Any,
) -> Ended:
    """`start`, and wait."""
    return start(arguments, beside, **options).wait(patience)
