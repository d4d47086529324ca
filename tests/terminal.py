"""A terminal for a command: a pty, and the screen that its bytes leave behind."""

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable

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
    environment = os.environ | {"COLUMNS": str(columns), "LINES": "50", "TERM": "xterm", "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 120)
        try:
            part = os.read(ours, 65536) if ready else b""
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        written += part
        if seen is not None:
            seen(written.decode(errors="ignore"), process)
    os.close(ours)
    return process.wait(timeout=120), written.decode(errors="ignore")
