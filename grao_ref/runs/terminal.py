"""A terminal that goes away, or a pipe that nobody reads any more, does not end a run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Lasting:
    """A stream that writes into nothing once its file can't be written any more (`| head -1`, a full disk)."""

    def __init__(self, stream: Any) -> None:
        self._given = stream
        self._stream = stream or _nothing()  # Python has none where it was started with `>&-`

    def write(self, text: str) -> int:
        """As a file's; a text that can't be written is dropped."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:  # a letter that the terminal has not
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):
            self._let_go()
        return len(text)

    def flush(self) -> None:
        """As a file's."""
        with suppress(AttributeError):  # somebody's own stream may have none
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._let_go()

    def end(self) -> None:
        """Write what is not yet written."""
        self.flush()
        if self._stream is not self._given:
            self._stream.close()

    def _let_go(self) -> None:
        stream, self._stream = self._stream, _nothing()
        with suppress(OSError, ValueError, AttributeError):  # else its buffer fails when Python ends, with code 120
            os.dup2(self._stream.fileno(), stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Standard output and standard error are such streams within."""
    before = sys.stdout, sys.stderr
    ours = Lasting(sys.stdout), Lasting(sys.stderr)
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        for stream in ours:
            stream.end()
        sys.stdout, sys.stderr = before


def _nothing() -> Any:
    return open(os.devnull, "w", encoding="utf-8")
