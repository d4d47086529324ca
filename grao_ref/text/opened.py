"""Prompts that are ready for their answers, and how messages name the rows that they came from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from grao_ref.text.messages import Prompt

Result = TypeVar("Result")


@dataclass(frozen=True)
class Opened:
    """Prompts up to where their answers begin; a list of each, in the same order."""

    prompts: list[Prompt]
    texts: list[str]
    ids: list[list[int]]
    leading: list[int]  # tokens at the start of the ids that stand for nothing in the text
    names: list[str]  # of the rows, for messages


def names_of(prompts: Sequence[Prompt], numbers: Sequence[int] | None = None) -> list[str]:
    """What messages call the rows: by their numbers in the file, or where these are 0 or left by their places here.

    >>> names_of(["a", "b"]), names_of(["a", "b"], [7, 0])
    (['row 1', 'row 2'], ['row 7', 'row 2'])
    """
    given = numbers or [0] * len(prompts)
    return [f"row {number or place}" for place, number in enumerate(given, start=1)]


def named(name: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """What the function returns; a `ValueError` that it raises gets the row's name in front."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
