"""The values of a row's columns: how deep lists may stand in lists, and characters that can be written."""

from collections.abc import Iterable, Mapping
from typing import Any

DEEPEST = 100
"""Levels of lists and objects in a column. Python's own limit depends on who reads them: a copy for a reward function
fails at 300 of them, and printing at 1000."""
NESTS = (list, tuple, Mapping)


def require_shallow(entry: Mapping[str, Any]) -> None:
    """Raise `ValueError` on a column whose lists and objects are nested more than `DEEPEST` levels deep."""
    for name, value in entry.items():
        level, depth = [value] if isinstance(value, NESTS) else [], 0
        while level:
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"the column {name!r} is nested more than {DEEPEST} levels deep; write it flatter")
            inner = {id(each): each for outer in level for each in _inside(outer) if isinstance(each, NESTS)}
            level = list(inner.values())


def require_writable(columns: Mapping[str, Any]) -> None:
    """Raise `ValueError` on a text or a key in the columns, at any depth, that has half of a character."""
    for name, value in columns.items():
        waiting, seen = [value], set[int]()  # Python's objects may share parts
        while waiting:
            each = waiting.pop()
            if isinstance(each, str):
                require_characters(each, f"column {name!r}")
            elif id(each) not in seen:
                seen.add(id(each))
                waiting += _inside(each)


def require_characters(text: str, name: str) -> None:
    """Raise `ValueError` on a text that can't be written in UTF-8. `name`: what has it, for the message."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start : error.end].encode("unicode-escape").decode()
        raise ValueError(
            f"the {name} has {half} at position {error.start}, half of a character (a lone surrogate), which no "
            "tokenizer takes and no file holds; write the whole character or remove it"
        ) from None


def require_names(names: Iterable[object]) -> None:
    """Raise `ValueError` on a column whose name is no text, or can't be written."""
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"the name of a column must be text, got {name!r:.80}")
        require_characters(name, "name of a column")


def _inside(value: Any) -> list[Any]:
    """What stands in a list or an object, an object's keys too."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return [*value] if isinstance(value, list | tuple) else []
