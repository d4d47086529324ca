"""Calls of a method's functions. What each returns is checked, because a user may have written it."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.methods.interface import Method, Rows, Terms
from grao_ref.plugins.blame import blame
from grao_ref.records import Advantages, Batch, Critique, LogProbs, Rewards
from grao_ref.settings.config import Config

RESERVED = ("loss", "grad_norm", "skipped")  # metrics that the trainer computes itself
PASSED_ON = (ValueError, FloatingPointError, torch.OutOfMemoryError)  # the commands have a message for each


def called(method: Method, part: str, *arguments: Any) -> Any:
    """The result of one of the method's functions.

    Raises `ValueError` where the function raises anything unexpected, with the method, the function and the line.
    """
    with blame(f"method {method.name!r}: {part} raised", own=PASSED_ON):
        return getattr(method, part)(*arguments)


def advantages_of(method: Method, rewards: Rewards, config: Config) -> Advantages:
    """The method's advantages. Raises `ValueError` unless there is one for each sample and each reference."""
    found = called(method, "advantages", rewards, config)
    _require_type(method, "advantages", found, Advantages)
    _require_shape(method, "advantages: outputs", found.outputs, rewards.outputs.shape)
    _require_shape(method, "advantages: reference", found.reference, rewards.reference.shape)
    return found  # type: ignore[no-any-return]


def critique_of(method: Method, batch: Batch, values: Float[Tensor, "N G T"], config: Config) -> Critique:
    """The method's targets for the critic's `values`. Raises `ValueError` unless there is one for each token."""
    found = called(method, "critique", batch, values, config)
    _require_type(method, "critique", found, Critique)
    _require_shape(method, "critique: advantages", found.advantages, values.shape)
    return found  # type: ignore[no-any-return]


def denominator_of(method: Method, batch: Batch, config: Config) -> int:
    """What the method divides the sum of a whole batch's terms by. Raises `ValueError` unless it is a number."""
    found = called(method, "denominator", batch, config)
    if isinstance(found, Tensor) and found.numel() == 1:
        found = found.item()
    if not isinstance(found, int | float) or not 0 < found < math.inf:
        raise ValueError(f"method {method.name!r}: the denominator must be a finite number > 0, got {found!r}")
    return found  # type: ignore[return-value]


def rows_of(method: Method, batch: Batch, config: Config) -> Rows | None:
    """The rows that have to be forwarded; None: all. Raises `ValueError` unless each row is named or not."""
    if method.rows is None:
        return None
    found = called(method, "rows", batch, config)
    _require_type(method, "rows", found, Rows)
    assert batch.samples is not None
    _require_shape(method, "rows: samples", found.samples, batch.samples.mask.shape[:2])
    _require_shape(method, "rows: references", found.references, (len(batch),))
    return found  # type: ignore[no-any-return]


def terms_of(method: Method, logprobs: LogProbs, batch: Batch, config: Config, *, trained: bool = True) -> Terms:
    """The method's terms. Raises `ValueError` unless the objective and each metric have one entry for each prompt.

    A metric of a method with `rows` may have fewer: a row that was not forwarded has none.
    trained: whether the objective must have a gradient; it has none where held-out rows are evaluated.
    """
    found = called(method, "objective", logprobs, batch, config)
    _require_type(method, "objective", found, Terms)
    _require_shape(method, "objective", found.objective, (len(batch),))
    if trained and not found.objective.requires_grad:
        raise ValueError(f"method {method.name!r}: the objective has no gradient")
    for name, values in found.metrics.items():
        if name in RESERVED:
            raise ValueError(f"method {method.name!r}: the trainer logs {name} itself; give this metric another name")
        fewer = (
            method.rows is not None and isinstance(values, Tensor) and values.dim() == 1 and len(values) < len(batch)
        )
        if not fewer:
            _require_shape(method, f"metric {name!r}", values, (len(batch),))
    return found  # type: ignore[no-any-return]


def _require_type(method: Method, part: str, found: object, kind: type) -> None:
    if not isinstance(found, kind):
        raise ValueError(f"method {method.name!r}: {part} must return `{kind.__name__}`, got {type(found).__name__}")


def _require_shape(method: Method, what: str, found: object, shape: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor) or tuple(found.shape) != tuple(shape):
        got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"method {method.name!r}: {what} must have shape {tuple(shape)}, got {got}")
