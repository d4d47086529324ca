"""The errors of the equations: every bad input is refused here, in messages of one form.

An equation begins with one line that states what its arguments must be, in the letters of its signature:

    check(locals(), "rewards: finite ... G; reference_reward: finite ...; kl_coef: >= 0")

`locals()` at the top of a function holds its arguments by name. The error is a `ValueError` that gives the
argument's name, what was expected and what was given. The check is a line of the body and no decorator, because
mutation testing (`make mutate`) skips the body of a decorated function.

| in a check            | the argument must be                                                                    |
| --------------------- | --------------------------------------------------------------------------------------- |
| `a: ... T`            | a tensor of floats with T as its last dimension, after any leading dimensions           |
| `a: ... T; b, c: ...` | the same; b and c have the leading dimensions of a. `...` alone is any shape, in common |
| `a: bool ... T`       | a mask. One of 0s and 1s has to be compared first: `mask != 0`                          |
| `a: int ... T`        | whole numbers, such as token ids                                                        |
| `a: finite ... T`     | floats without NaN and infinity                                                         |
| `a: >= 0`, `a: > 0`   | a finite number in this range; no tensor, which could broadcast or carry a gradient     |
| `a: in [0, 1]`        | the same                                                                                |

The first tensor with a letter sets its size, and nothing is broadcast to fit. G is a group: at least 2 samples of
one prompt. P is a pool: at least 1 reward. A function that only passes an argument on leaves its check to the next.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from grao_ref.equations.ranges import require_fraction as require_fraction  # "as": part of this module's names
from grao_ref.equations.ranges import require_nonnegative as require_nonnegative
from grao_ref.equations.ranges import require_one_of as require_one_of
from grao_ref.equations.ranges import require_positive as require_positive


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


RANGES = {">= 0": require_nonnegative, "> 0": require_positive, "in [0, 1]": require_fraction}
DTYPES = {dtype for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
FLOATS = frozenset(dtype for dtype in DTYPES if dtype.is_floating_point)
KINDS = {
    "": (FLOATS, "a floating-point tensor"),  # integers would round log-probabilities
    "finite": (FLOATS, "a floating-point tensor"),
    "bool": (frozenset({torch.bool}), "a boolean tensor"),
    "int": (frozenset({torch.int64, torch.int32}), "a tensor of int64 or int32"),
}


def check(arguments: Mapping[str, Any], expected: str) -> None:
    """Refuse arguments that are not as `expected` states, in the words of the table above.

    Kinds and shapes are looked at first, in the order given, then numbers, and last the entries that must be finite.

    >>> check({"rewards": torch.zeros(2, 3), "reference": torch.zeros(3)}, "rewards: ... G; reference: ...")
    Traceback (most recent call last):
    ValueError: reference must have shape (2,), got (3,): nothing is broadcast
    """
    tensors, numbers, finite = _parse(expected)
    sizes: dict[str, Any] = {}  # of each letter, and of "..."
    fitting: tuple[int, ...] = ()
    last = None
    for name, dtypes, kind, letters in tensors:
        value = arguments[name]
        if not isinstance(value, Tensor) or value.dtype not in dtypes:
            raise ValueError(f"{name} must be {kind}, got {_kind(value)}")
        shape = value.shape
        if letters != last:
            last, fitting = letters, _fit(name, shape, letters, sizes)
        if shape != fitting:
            raise ValueError(f"{name} must have shape {tuple(fitting)}, got {tuple(shape)}: nothing is broadcast")
    for name, require in numbers:
        require(**{name: arguments[name]})
    for name in finite:
        require_finite(**{name: arguments[name]})


@cache
def _parse(expected: str) -> tuple[list[Any], list[Any], list[str]]:
    """(name, dtypes, kind, letters) of the tensors, (name, range) of the numbers, names of what must be finite."""
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


def _fit(name: str, shape: tuple[int, ...], letters: tuple[str, ...], sizes: dict[str, Any]) -> tuple[int, ...]:
    """The shape that the letters stand for; one without a size takes it from this tensor's shape."""
    border = len(shape) - len(letters)
    for position, letter in enumerate(letters, border):
        if letter not in sizes:
            if letter == "G" and (not shape or shape[-1] < 2):
                raise ValueError(f"{name} must end in a group of at least 2 samples, got shape {tuple(shape)}")
            if border < 0:
                raise ValueError(f"{name} must have at least {len(letters)} dimensions, got shape {tuple(shape)}")
            sizes[letter] = max(shape[position], 1) if letter == "P" else shape[position]
    leading: tuple[int, ...] = sizes.setdefault("...", shape[:border] if letters else shape)
    return leading + tuple([sizes[letter] for letter in letters]) if letters else leading


def _kind(value: Any) -> str:
    return f"a {value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
