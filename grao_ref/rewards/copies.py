"""Copies of what a reward function gets, so that whatever it does to its inputs stays its own."""

import copy
from collections.abc import Callable
from typing import Any

UNCHANGEABLE = frozenset((str, int, float, bool, bytes, complex, type(None)))


def copied(value: Any) -> Any:
    """The value, with a copy of everything in it that could be changed in place.

    Lists, dictionaries and tuples of text and numbers are what data sets hold; they are copied six times as fast as
    `copy.deepcopy` does it. An object that can't be copied (a lock, an open file, and an object of another kind that
    holds one) is passed on as it is: functions share it. Raises `RecursionError` on lists that are nested without end.

    >>> first = [{"role": "user", "content": "hi"}]
    >>> second = copied(first)
    >>> second[0]["content"] = "changed"
    >>> first
    [{'role': 'user', 'content': 'hi'}]
    """
    kind = type(value)
    if kind in UNCHANGEABLE:
        return value
    if kind in COPIES:
        return COPIES[kind](value)
    try:
        return copy.deepcopy(value)
    except Exception:  # each kind of object refuses in its own way
        return value


def _entry(value: Any) -> Any:
    return value if type(value) in UNCHANGEABLE else copied(value)


COPIES: dict[type, Callable[[Any], Any]] = {
    list: lambda value: [item if type(item) in UNCHANGEABLE else copied(item) for item in value],
    dict: lambda value: {key: _entry(item) for key, item in value.items()},
    tuple: lambda value: tuple(_entry(item) for item in value),
}
