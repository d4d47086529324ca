"""The nearest known name, for error messages about unknown names."""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean ...?`, or `otherwise` where no known name is similar.

    >>> hint("gsm8", ["gsm8k", "hh-helpful"], "say something else")
    'did you mean gsm8k?'
    """
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else otherwise
