"""The types of settings: each carries the range that its values must lie in, and is checked from its annotation."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from grao_ref.equations.checks import require_fraction, require_nonnegative, require_one_of, require_positive


def require_group_size(**numbers: int) -> None:
    """Each argument is at least 2: a single sample has no group to be compared with."""
    for name, value in numbers.items():
        if value < 2:
            raise ValueError(f"{name} must be at least 2, got {value}")


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
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise ValueError(f"{name} must map names to values, got {value!r}")
    elif kind is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    elif kind is float and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    elif kind in (bool, str, Path) and not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {value!r}")
