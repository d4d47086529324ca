"""A terminal for a command: a pty, and the screen that its bytes leave behind."""

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


def screen(output: str) -> list[str]:
    """The lines that are seen at the end. Carriage returns, line feeds, cursor moves and erased lines are carried out.

    >>> screen("one\\r\\ntwo\\r\\x1b[2K\\x1b[1A!")
    ['!ne']
    """
    lines: list[list[str]] = [[]]
    row = column = place = 0
    while place < len(output):
        control = CONTROL.match(output, place)
        if control is not None:
            count = int(control[1]) if control[1].isdigit() else 1
            if control[2] == "A":
                row = max(row - count, 0)
            elif control[2] == "B":
                row += count
            elif control[2] == "K":
                lines[row] = [] if control[1] == "2" else lines[row][:column]
            elif control[2] not in "mhl":
                raise AssertionError(f"a control sequence that this terminal does not know: {control[0]!r}")
            place = control.end()
        else:
            character = output[place]
            if character == "\r":
                column = 0
            elif character == "\n":
                row += 1
            else:
                lines[row].extend(" " * (column + 1 - len(lines[row])))
                lines[row][column] = character
                column += 1
            place += 1
        lines.extend([] for _ in range(row + 1 - len(lines)))
    return [line for line in ("".join(line).rstrip() for line in lines) if line]


def on_a_terminal(
    arguments: list[str], *, cwd: str, columns: int = 80, seen: Callable[[str, subprocess.Popen], None] | None = None
) -> tuple[int, str]:
    """Run `python -m ARGUMENTS` on a pty: exit code, and everything that it wrote. seen: called with what there is."""
    ours, theirs = pty.openpty()
    environment = os.environ | described(columns) | {"PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while part := _next(ours):
        written += part
        if seen is not None:
            seen(written.decode(errors="ignore"), process)
    os.close(ours)
    return process.wait(timeout=120), written.decode(errors="ignore")


def with_a_terminal(main: Callable[[list[str]], int], arguments: list[str], *, columns: int = 80) -> tuple[int, str]:
    """The same of a command's `main` in this process, which takes no seconds for its imports."""
    ours, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as reader:  # meanwhile: a terminal takes a few kilobytes before it waits for a reader
        written = reader.submit(lambda: b"".join(iter(lambda: _next(ours), b"")))
        with (
            open(theirs, "w") as terminal,
            patch.dict(os.environ, described(columns)),
            redirect_stdout(terminal),
            redirect_stderr(terminal),
        ):
            code = main(arguments)
    os.close(ours)
    return code, written.result().decode(errors="ignore")


def described(columns: int) -> dict[str, str]:
    """What the environment says about the terminal."""
    return {"COLUMNS": str(columns), "LINES": "50", "TERM": "xterm"}


def _next(ours: int) -> bytes:
    """What is there to be read; nothing once the other end is closed."""
    ready, _, _ = select.select([ours], [], [], 120)
    try:
        return os.read(ours, 65536) if ready else b""
    except OSError:
        return b""
