"""The errors of the equations: every bad input is refused here, in one voice.

An equation begins with one line that says what its arguments must be, in the letters of its docstring:

    check(locals(), "rewards: finite ... G; reference_reward: finite ...; kl_coef: >= 0")

`locals()` at the top of a function holds its arguments by name. The error is a `ValueError` that gives the
argument's name, what was expected and what came. The check is a line of the body and no decorator, because mutation
testing (`make mutate`) skips the body of a decorated function.

| in a check            | the argument must be                                                                    |
| --------------------- | --------------------------------------------------------------------------------------- |
| `a: ... T`            | a tensor of floats with T as its last dimension, after any leading dimensions           |
| `a, b: ...; c: ... T` | tensors of which a and b have the leading dimensions of c                               |
| `a: bool ... T`       | a mask. One of 0s and 1s has to be compared first: `mask != 0`                          |
| `a: int ... T`        | whole numbers, such as token ids                                                        |
| `a: finite ... T`     | floats without NaN and infinity                                                         |
| `a: >= 0`, `a: > 0`   | a finite number in this range, never a tensor (which could broadcast or carry gradient) |
| `a: in [0, 1]`        | the same                                                                                |

The first tensor with a letter gives the letter its size, and nothing is broadcast to fit. G is a group, at least 2
samples of one prompt; P is a pool, at least 1 reward.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def require_finite(**tensors: Tensor) -> None:
    """No NaN and no infinity; the message gives the first culprit and its index."""
    for name, value in tensors.items():
        if not value.isfinite().all():
            index = tuple((~value.isfinite()).nonzero()[0].tolist())
            raise ValueError(f"{name} must be finite, got {value[index].item()} at index {index}")


def require_below(size: int, **indices: Tensor) -> None:
    """Each argument holds indices into `size` things, counted from 0; the message gives the first culprit."""
    for name, value in indices.items():
        outside = (value < 0) | (value >= size)
        if outside.any():
            raise ValueError(f"{name} must lie in [0, {size}), got {value[outside][0].item()}")


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


RANGES = {">= 0": require_nonnegative, "> 0": require_positive, "in [0, 1]": require_fraction}
KINDS: dict[str, tuple[Callable[[Tensor], bool], str]] = {
    "": (Tensor.is_floating_point, "a floating-point tensor"),  # integers would round log-probabilities
    "finite": (Tensor.is_floating_point, "a floating-point tensor"),
    "bool": (lambda value: value.dtype == torch.bool, "a boolean tensor"),
    "int": (lambda value: value.dtype in (torch.int64, torch.int32), "a tensor of int64 or int32"),
}


def check(arguments: Mapping[str, Any], expected: str) -> None:
    """Refuse arguments that are not as `expected` says, in the words of the table above.

    Kinds and shapes are looked at first, in the order given, then numbers, and last the entries that must be finite.

    >>> check({"rewards": torch.zeros(2, 3), "reference": torch.zeros(3)}, "rewards: ... G; reference: ...")
    Traceback (most recent call last):
    ValueError: reference must have shape (2,), got (3,): nothing is broadcast
    """
    tensors, numbers, finite = _parse(expected)
    sizes: dict[str, Any] = {}  # of each letter, and of "..."
    for name, is_kind, kind, letters in tensors:
        value = arguments[name]
        if not (isinstance(value, Tensor) and is_kind(value)):
            raise ValueError(f"{name} must be {kind}, got {_kind(value)}")
        shape = value.shape
        if letters not in sizes:
            _measure(name, shape, letters, sizes)
        if shape != sizes[letters]:
            raise ValueError(
                f"{name} must have shape {tuple(sizes[letters])}, got {tuple(shape)}: nothing is broadcast"
            )
    for name, require in numbers:
        require(**{name: arguments[name]})
    for name in finite:
        require_finite(**{name: arguments[name]})


@cache
def _parse(expected: str) -> tuple[list[Any], list[Any], list[str]]:
    """(name, is_kind, kind, letters) of the tensors, (name, range) of the numbers, names of what must be finite."""
    tensors, numbers, finite = [], [], []
    for names, what in (clause.split(": ") for clause in expected.split("; ")):
        for name in names.split(", "):
            if what in RANGES:
                numbers.append((name, RANGES[what]))
                continue
            word, _, letters = what.partition("...")
            tensors.append((name, *KINDS[word.strip()], tuple(letters.split())))
            if word == "finite ":
                finite.append(name)
    return tensors, numbers, finite


def _measure(name: str, shape: tuple[int, ...], letters: tuple[str, ...], sizes: dict[Any, Any]) -> None:
    """Put the shape that `letters` stand for into `sizes`; a letter without a size takes it from this tensor."""
    rank, border = len(letters), len(shape) - len(letters)
    for position, letter in enumerate(letters, border):
        if letter not in sizes:
            if letter == "G" and (not shape or shape[-1] < 2):
                raise ValueError(f"{name} must end in a group of at least 2 samples, got shape {tuple(shape)}")
            if border < 0:
                raise ValueError(f"{name} must have at least {rank} dimensions, got shape {tuple(shape)}")
            sizes[letter] = max(shape[position], 1) if letter == "P" else shape[position]
    if () not in sizes:
        sizes[()] = shape[:border] if rank else shape
    sizes[letters] = sizes[()] + tuple([sizes[letter] for letter in letters])


def _is_number(value: Any) -> bool:
    """A plain number: a tensor would broadcast, or carry a gradient into what is a constant."""
    return isinstance(value, Real) and math.isfinite(value)


def _kind(value: Any) -> str:
    return f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
