"""Kernels that begin where the slow imports are done: one process imports, and is forked for each notebook.

A notebook has a process of its own, as with an ordinary kernel: what one does, another does not see. An ordinary kernel
spends two to five seconds on imports, and a build has more than thirty.
"""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from threading import Lock
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from tutorials.sources import HERE

ENOUGH = 4  # notebooks for which the imports are made in advance
IMPORTED = ("grao_ref.setups", "theory.runs", "tutorials.style", "scipy.integrate")
PICTURES = "module://matplotlib_inline.backend_inline"  # as ipykernel sets it, but before matplotlib is imported


class Server:
    """The process that is forked. It is started by its first kernel, with this one's environment."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.modules = modules
        self.process: subprocess.Popen[str] | None = None
        self._lock = Lock()  # two notebooks run at once

    def fork(self, file: str, environment: Mapping[str, str], folder: str) -> int:
        """Start a kernel for a connection file. Returns its process id; raises `ChildProcessError` without one."""
        with self._lock:
            if self.process is None:
                command = [sys.executable, "-m", "tutorials.kernels", *self.modules]
                self.process = subprocess.Popen(
                    command,
                    env={"MPLBACKEND": PICTURES} | dict(environment),
                    cwd=HERE.parent,  # where `tutorials` and `theory` are found
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            asked, answer = self.process.stdin, self.process.stdout
            assert asked is not None
            assert answer is not None
            asked.write(json.dumps([file, dict(environment), folder]) + "\n")
            asked.flush()
            pid = answer.readline()
        if not pid:
            raise ChildProcessError("the process that starts kernels has ended")
        return int(pid)

    def close(self) -> None:
        """End the process, and with it the kernels that are left."""
        if self.process is not None:
            self.process.communicate()


class Forked:
    """A kernel's process, with the methods of `subprocess.Popen` that Jupyter calls. The server waits for its end."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it runs; 0 after that, however it ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self) -> int:
        """Jupyter calls it once `poll` has said that the process has ended."""
        return 0

    def send_signal(self, number: int) -> None:
        """A signal, if there is still somebody to get it."""
        if self.poll() is None:
            os.kill(self.pid, number)


@contextmanager
def forked(modules: tuple[str, ...] = IMPORTED) -> Iterator[type[AsyncKernelManager]]:
    """What `nbclient` is to make kernels with; those that it has made end with the block."""
    server = Server(modules)

    class Manager(AsyncKernelManager):
        async def _async_launch_kernel(
            self, kernel_cmd: list[str], **options: Any
        ) -> None:
            local: Any = self.provisioner
            folder = str(options.get("cwd") or os.getcwd())
            pid = server.fork(self.connection_file, options["env"], folder)
            local.process, local.pid = Forked(pid), pid
            self._reconcile_connection_info(local.connection_info)

    try:
        yield Manager
    finally:
        server.close()


def for_so_many(
    notebooks: int,
) -> AbstractContextManager[type[AsyncKernelManager]]:
    """Forked kernels where that saves time and is safe, on Linux; else ordinary ones."""
    if notebooks < ENOUGH or sys.platform != "linux":
        return nullcontext(AsyncKernelManager)
    return forked()


def serve(modules: list[str]) -> None:
    """Import, then fork for every line of standard input."""
    # A kernel ends when the process of this id has; ipykernel reads it where it is imported.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    for module in [*modules, "ipykernel.kernelapp"]:
        import_module(module)
    gc.collect()
    gc.freeze()  # what was imported is no garbage: no kernel has to look at it
    signal.signal(
        signal.SIGCHLD, signal.SIG_IGN
    )  # the system forgets a kernel that has ended
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            become(*json.loads(line))
        print(pid, flush=True)


def become(file: str, environment: dict[str, str], folder: str) -> None:
    """In the child: a kernel, which ends with the process."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = ["ipykernel_launcher.py", "-f", file]
        import_module("ipykernel.kernelapp").launch_new_instance()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1:])
