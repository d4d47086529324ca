"""What one row of a table is made into, before it has a number and a place."""

from collections.abc import Callable
from typing import Any

from grao_ref.text.messages import Prompt

Parts = tuple[Prompt, str | None, str | None, dict[str, Any]]  # prompt, reference y, rejected answer, columns it makes
Parse = Callable[..., Parts]  # the values of a format's columns -> the parts of a row

WHOLE = ""  # the prompt of a row that is one whole text: its reference is the text, from its first token


class OddRowError(ValueError):
    """A row of published data that has no answer to learn from. `rows_of` leaves it out and records why."""
