"""The ranges of plain numbers, for the equations' coefficients and for settings. No torch: `--help` needs none."""

import sys
from numbers import Real
from typing import Any

LARGEST = sys.float_info.max


def require_nonnegative(**numbers: Any) -> None:
    """Each argument is a finite number >= 0."""
    for name, value in numbers.items():
        if not (_is_number(value) and value >= 0):
            raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")


def require_positive(**numbers: Any) -> None:
    """Each argument is a finite number > 0."""
    for name, value in numbers.items():
        if not (_is_number(value) and value > 0):
            raise ValueError(f"{name} must be a finite number > 0, got {value!r}")


def require_fraction(**numbers: Any) -> None:
    """Each argument is a number in [0, 1]."""
    for name, value in numbers.items():
        if not (_is_number(value) and 0 <= value <= 1):
            raise ValueError(f"{name} must be a number in [0, 1], got {value!r}")


def require_one_of(choices: tuple[str, ...], **words: str) -> None:
    """Each argument is one of the words."""
    for name, value in words.items():
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def _is_number(value: Any) -> bool:
    """A plain number: a tensor would broadcast, or carry a gradient into what is a constant."""
    is_one = isinstance(value, (float, int, Real))  # floats first: they are found at once
    return is_one and -LARGEST <= value <= LARGEST  # which NaN is not, nor a whole number that no float can hold
