"""Processes of a test's own: several that know of each other, described as torchrun does; and one with a script."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def together(module: str, *arguments: str, processes: int = 2, **environment: str) -> list[subprocess.CompletedProcess]:
    """`python -m module arguments` in each; how they ended, by rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    own = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", module, *arguments]
    started = [subprocess.Popen(command, cwd=ROOT, env=os.environ | environment | each, **streams) for each in own]
    ended = [process.communicate() for process in started]  # none waits for one that is gone
    return [
        subprocess.CompletedProcess(command, process.returncode, *words)
        for process, words in zip(started, ended, strict=True)
    ]


def script(code: str, *arguments: str) -> subprocess.Popen:
    """`python -c code arguments` with this project to import, its words to be read."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, **streams)
