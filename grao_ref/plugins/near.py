"""The nearest name, for the messages about names that lead nowhere."""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean ...?`, or the other hint where nothing is near.

    >>> hint("gsm8", ["gsm8k", "hh-helpful"], "say something else")
    'did you mean gsm8k?'
    """
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else otherwise
