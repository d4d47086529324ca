"""The errors of the equations: every bad input is refused here, in one voice.

Each function raises `ValueError` naming the argument, what was expected and what came, and
returns nothing. The names travel as keywords, so a call reads like its message:
`require_float(rewards=rewards)`.
"""

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def require_float(**tensors: Any) -> None:
    """Each argument is a tensor of a floating-point dtype (integers would round log-probabilities)."""
    for name, value in tensors.items():
        if not (isinstance(value, Tensor) and value.is_floating_point()):
            raise ValueError(f"{name} must be a floating-point tensor, got {_kind(value)}")


def require_mask(**tensors: Any) -> None:
    """Each argument is a boolean tensor; a mask of 0s and 1s has to be compared first, `mask != 0`."""
    for name, value in tensors.items():
        if not (isinstance(value, Tensor) and value.dtype == torch.bool):
            raise ValueError(f"{name} must be a boolean tensor, got {_kind(value)}")


def require_shape(expected: tuple[int, ...], **tensors: Tensor) -> None:
    """Each argument has exactly this shape: nothing is ever broadcast to fit."""
    for name, value in tensors.items():
        if tuple(value.shape) != tuple(expected):
            raise ValueError(
                f"{name} must have shape {tuple(expected)}, got {tuple(value.shape)}: nothing is broadcast"
            )


def require_group(**tensors: Tensor) -> None:
    """The last dimension holds a group: G >= 2 samples of one prompt."""
    for name, value in tensors.items():
        if value.dim() == 0 or value.shape[-1] < 2:
            raise ValueError(f"{name} must end in a group of at least 2 samples, got shape {tuple(value.shape)}")


def require_finite(**tensors: Tensor) -> None:
    """No NaN and no infinity; the message gives the first culprit and its index."""
    for name, value in tensors.items():
        if not value.isfinite().all():
            index = tuple((~value.isfinite()).nonzero()[0].tolist())
            raise ValueError(f"{name} must be finite, got {value[index].item()} at index {index}")


def require_ids(**tensors: Any) -> None:
    """Each argument is a tensor of whole numbers: token ids."""
    for name, value in tensors.items():
        if not isinstance(value, Tensor) or value.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"{name} must be a tensor of int64 or int32, got {_kind(value)}")


def require_dimensions(least: int, **tensors: Tensor) -> None:
    """Each argument has at least this many dimensions."""
    for name, value in tensors.items():
        if value.dim() < least:
            raise ValueError(f"{name} must have at least {least} dimensions, got shape {tuple(value.shape)}")


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
    return isinstance(value, Real) and math.isfinite(value)


def _kind(value: Any) -> str:
    return f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
