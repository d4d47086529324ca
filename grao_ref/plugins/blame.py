"""Exceptions of somebody else's code: one line that says what was running, the exception, and the line of code.

Templates, tokenizers, model classes, reward functions, data files, trackers and methods may raise anything. `blame`
names the one that did, where it is called; `one_line_errors` is a command's last resort for the rest.
"""

import functools
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, ParamSpec

from grao_ref.plugins.secrets import redacted

TRACEBACK = "GRAO_TRACEBACK"  # environment variable: show tracebacks too
INTERRUPTED = 128  # and the signal's number: the exit code of an interrupted command
LONGEST = 600  # characters of somebody else's message in an error
PACKAGE = Path(__file__).parents[1]
LIBRARIES = (str(PACKAGE), sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
P = ParamSpec("P")


@contextmanager
def blame(what: str, *, own: tuple[type[BaseException], ...] = (), ours: bool = False) -> Iterator[None]:
    """Raise whatever is raised inside as a `ValueError` whose message is `what` and then `why`.

    what: what is running, as the start of a sentence: `reward function 'f' raised`.
    own: kinds that pass as they are, because they have a message for the user already. ours: so do the errors that this
    package raised itself, and files' errors.
    An interruption (`KeyboardInterrupt`) always passes; a `SystemExit` does not, because it would end the command
    without a message.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except own:
        raise
    except BaseException as error:
        if ours and expected(error):
            raise
        raise ValueError(f"{what} {why(error)}") from error


def why(error: BaseException) -> str:
    """The exception's type, its message, and the last line of code that ran outside of installed libraries.

    >>> try: {}["absent"]
    ... except KeyError as error: print(why(error).split(" (")[0])
    KeyError: 'absent'
    """
    where = _place(error)
    return f"{type(error).__name__}: {message_of(error)}" + (f" ({where})" if where else "")


def message_of(error: BaseException) -> str:
    """An exception's message in one line and without secrets, shortened where it is very long."""
    try:
        words = one_line(redacted(str(error.msg if isinstance(error, SyntaxError) else error)))
    except Exception:  # a `__str__` that fails
        words = ""
    return (words if len(words) <= LONGEST else words[:LONGEST] + "…") or "no message"


def briefly(error: BaseException) -> str:
    r"""The first line of an exception's message, and those that a colon announces; its type where it is no sentence.

    >>> briefly(OSError("No file\nSee the page")), briefly(ValueError("Wrong field:\n size")), briefly(KeyError(1))
    ('No file', 'Wrong field: size', 'KeyError: 1')
    """
    lines = redacted(str(error)).strip().splitlines()
    count = next((number for number, line in enumerate(lines, start=1) if not line.endswith(":")), len(lines))
    words = one_line(" ".join(lines[:count]))
    return words if " " in words else f"{type(error).__name__}: {words or 'no message'}"


def one_line(text: str) -> str:
    r"""The text with its line breaks and runs of blanks as single blanks.

    >>> one_line("a\n  b")
    'a b'
    """
    return " ".join(text.split())


def one_line_errors(main: Callable[P, int]) -> Callable[P, int]:
    """A command whose every error is one line on standard error and exit code 2; an interruption is exit code 130."""

    @functools.wraps(main)
    def command(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            return 130
        except Exception as error:
            return refuse(error)

    return command


def leave(code: int) -> NoReturn:
    """End the process. One that was interrupted does not wait for threads that somebody's code has left behind."""
    if code >= INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.flush()
        os._exit(code)
    sys.exit(code)


def refuse(error: BaseException, more: str = "") -> int:
    """The error in one line on standard error, `more` behind it; the exit code, which is 2.

    The traceback stands before it where the environment has `GRAO_TRACEBACK`.
    """
    if os.environ.get(TRACEBACK):
        print(redacted("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    print(f"error: {one_line(explained(error) + more)}", file=sys.stderr)
    return 2


def explained(error: BaseException) -> str:
    """The message where it was written for a user; else `why`, and how to see the traceback."""
    if expected(error):
        return message_of(error) if isinstance(error, OSError) else one_line(redacted(str(error)))
    return f"{why(error)}; {TRACEBACK}=1 shows the traceback"


def expected(error: BaseException) -> bool:
    """Whether the error says what a user should do: a `ValueError` of this package, or a file's `OSError`.

    Every other one is a bug, of this package or of somebody else's.
    """
    if isinstance(error, OSError):
        return error.filename is not None or _is_ours(error)
    return isinstance(error, ValueError) and not isinstance(error, UnicodeError) and _is_ours(error)


def _is_ours(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(PACKAGE)


def _place(error: BaseException) -> str:
    """File, line and code. Empty where there is none."""
    if isinstance(error, SyntaxError):
        file, line, code = error.filename, error.lineno, error.text
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
        theirs = [frame for frame in frames if not _in_a_library(frame.filename)]
        if not frames:
            return ""
        last = (theirs or frames)[-1]
        file, line, code = last.filename, last.lineno, last.line
    if not file or not line:
        return ""
    code = one_line(redacted(code or linecache.getline(file, line)))
    return f"{file}, line {line}" + (f": {code}" if code else "")


def _in_a_library(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file or file.startswith(LIBRARIES)
