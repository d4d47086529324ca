"""The types of settings: each carries the range that its values must lie in, and is checked from its annotation."""

import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from grao_ref.equations.ranges import require_fraction, require_nonnegative, require_one_of, require_positive


def require_group_size(**numbers: int) -> None:
    """Each argument is at least 2: a single sample has no group to be compared with."""
    for name, value in numbers.items():
        if value < 2:
            raise ValueError(f"{name} must be at least 2, got {value}")


LARGEST = 2**63  # torch's whole numbers are smaller
Count = Annotated[int, require_positive]
Natural = Annotated[int, require_nonnegative]
GroupSize = Annotated[int, require_group_size]
Positive = Annotated[float, require_positive]
NonNegative = Annotated[float, require_nonnegative]
Fraction = Annotated[float, require_fraction]


def kinds_of(settings: type) -> dict[str, Any]:
    """Name -> type of every setting of a dataclass, ranges included."""
    if settings not in _KINDS:  # reading them takes longer than all checks together
        _KINDS[settings] = get_type_hints(settings, include_extras=True)
    return _KINDS[settings]


_KINDS: dict[type, dict[str, Any]] = {}


def plain(kind: Any) -> Any:
    """The type without its range, and without None where a value may be left out.

    >>> plain(Count | None), plain(tuple[str, ...])
    (<class 'int'>, tuple[str, ...])
    """
    if get_origin(kind) is Annotated:
        return plain(get_args(kind)[0])
    if optional(kind):
        return plain(next(each for each in get_args(kind) if each is not NoneType))
    return kind


def optional(kind: Any) -> bool:
    """Whether the value may be None."""
    return get_origin(kind) in (UnionType, Union) and NoneType in get_args(kind)


def require_kind(name: str, value: Any, kind: Any) -> None:
    """Raise `ValueError` unless the value has the type, and lies in the range that the type carries.

    The command line and a config file give the right types; a caller in Python may not.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        require_kind(name, value, arguments[0])
        for require_range in kind.__metadata__:
            require_range(**{name: value})
    elif origin is Literal:
        require_one_of(arguments, **{name: value})
    elif origin in (UnionType, Union):
        if value is not None or NoneType not in arguments:
            require_kind(name, value, next(each for each in arguments if each is not NoneType))
    elif origin is tuple:
        if not isinstance(value, tuple):
            raise ValueError(f"{name} must be a tuple, got {value!r}")
        for item in value:
            require_kind(name, item, arguments[0])
    elif origin is dict:
        _require_mapping(name, value)
    elif kind is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    elif kind is int and abs(value) >= LARGEST:
        raise ValueError(f"{name} must be a whole number of 64 bits, got {value!r}")
    elif kind is float and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    elif kind is bool and not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    elif kind in (str, Path) and not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {value!r}")


def _require_mapping(name: str, value: Any) -> None:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} must be a mapping from names to values, got {value!r}")
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold only what JSON can: {error}") from None
