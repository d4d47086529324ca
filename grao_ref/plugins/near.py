"""The nearest known name, for error messages about unknown names."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`; None where none is similar.

    >>> nearest("qestion", ["answer", "question"])
    'question'
    """
    return next(iter(difflib.get_close_matches(name, list(known), 1)), None)


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean ...?`, or `otherwise` where no known name is similar.

    >>> hint("gsm8", ["gsm8k", "hh-helpful"], "say something else")
    'did you mean gsm8k?'
    """
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise
