"""The shapes in the signatures are enforced: on arguments, results, fields, and in functions inside functions."""

from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Float
from torch import Tensor

from grao_ref import group_advantages
from grao_ref.records import Tokens
from grao_ref.training.update import update
from tests import typechecker
from tests.typechecker import check

REFUSED = pytest.raises(BeartypeCallHintViolation)
ROWS, MORE = torch.zeros(2), torch.zeros(3)


@check
def added(a: Float[Tensor, "N"], b: Float[Tensor, "N"], scale: float = 1.0) -> Float[Tensor, "N"]:
    return a + scale * b


@check
def first(a: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    return a[:1]


@check
@dataclass
class Pair:
    one: Float[Tensor, "N"]
    other: Float[Tensor, "N"]


@runtime_checkable
class HasName(Protocol):
    name: str


@check
def counted(a: Float[Tensor, "N"]) -> Iterator[int]:
    yield len(a)


def inner(factor: float) -> Callable[..., Tensor]:
    @check
    def scaled(*a: Float[Tensor, "N"], shift: int, **more: int) -> Float[Tensor, "N"]:
        return sum(a) * factor + shift + sum(more.values())

    return scaled


def test_a_letter_is_one_size_in_a_call_and_a_new_one_in_the_next():
    assert added(ROWS, ROWS).shape == (2,)
    assert added(MORE, MORE, scale=2).shape == (3,)  # an int where a float is expected
    for wrong in ((ROWS, MORE), (ROWS, MORE[:, None]), (ROWS, ROWS.int()), (ROWS, ROWS, "1")):
        with REFUSED:
            added(*wrong)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        added(ROWS)


def test_results_and_fields_are_checked_too():
    assert len(first(ROWS[:1])) == 1
    with REFUSED:
        first(ROWS)
    assert Pair(ROWS, ROWS).one is ROWS
    with REFUSED:
        Pair(ROWS, MORE)
    assert list(counted(ROWS)) == [2]
    with REFUSED:
        counted(ROWS[None])


def test_what_was_accepted_is_looked_at_again_where_anything_about_it_differs():
    """A call with the types, dtypes and shapes of an accepted one is not checked: all of them have to be known."""
    made = []

    @check
    def cut(a: Float[Tensor, "N"], at: int) -> Float[Tensor, "N"]:
        made.append(at)
        return a[:at]

    for _ in range(2):
        assert len(cut(ROWS, 2)) == 2
        with REFUSED:
            cut(ROWS, 1)  # the same arguments as far as one can see, and another result
        for wrong in ((ROWS.int(), 2), (ROWS[None], 2), (ROWS, "2"), (ROWS, 2.0)):
            with REFUSED:
                cut(*wrong)
    assert made == [2, 1, 2, 1]  # called once for each check, refused results included


def test_what_a_hint_reads_in_a_value_is_read_every_time():
    @check
    def chosen(a: Float[Tensor, "N"], word: Literal["x"] = "x", many: Sequence[int] = (), has: Sized = ()) -> None:
        pass

    class Bare:
        pass

    chosen(ROWS), chosen(ROWS, "x"), chosen(ROWS, "x", [1]), chosen(ROWS, "x", (1, 2)), chosen(ROWS, has=[])
    for wrong in ((ROWS, "y"), (ROWS, "x", ["1"]), (ROWS, "x", ("1",)), (ROWS, "x", (), Bare())):
        with REFUSED:
            chosen(*wrong)

    @check
    def named(a: Float[Tensor, "N"], one: HasName) -> None:
        pass

    good = Bare()
    good.name = "one"
    named(ROWS, good)
    with REFUSED:
        named(ROWS, Bare())


def test_a_call_inside_a_call_has_its_own_letters():
    @check
    def outer(a: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
        added(MORE, MORE)
        return a

    assert outer(ROWS) is ROWS


def test_a_function_inside_a_function_keeps_what_it_closes_over_and_is_compiled_once():
    twice, thrice = inner(2.0), inner(3.0)
    before = len(typechecker._relays)
    assert inner(4.0)(ROWS + 1, shift=0).tolist() == [4.0, 4.0]
    assert len(typechecker._relays) == before
    assert twice(ROWS + 1, ROWS + 1, shift=1, x=1).tolist() == [6.0, 6.0]
    assert thrice(ROWS + 1, shift=1).tolist() == [4.0, 4.0]
    assert twice.__name__ == "scaled"
    for wrong in ((ROWS, MORE), (ROWS.int(),)):
        with REFUSED:
            twice(*wrong, shift=1)
    for word in ({"shift": "1"}, {"shift": 1, "x": "1"}):
        with REFUSED:
            thrice(ROWS, **word)


def test_a_hint_in_quotes_is_what_it_names_and_anything_where_that_is_unknown():
    @check
    def quoted(pair: "Pair", one: "NotImported") -> "list[Pair]":  # not imported: as under TYPE_CHECKING
        return [pair] if one else pair

    pair = Pair(ROWS, ROWS)
    assert quoted(pair, 1) == [pair]
    for wrong in ((1, 1), (pair, 0)):
        with REFUSED:
            quoted(*wrong)


def test_a_user_meets_the_package_s_own_errors(without_shape_checks):
    assert added(ROWS, MORE[:1]).shape == (2,)  # broadcast
    with pytest.raises(ValueError, match="rewards must be a floating-point tensor, got list"):
        group_advantages([1.0, 0.0], 1.0)


def test_the_package_is_checked():
    for wrong in (lambda: group_advantages(ROWS, ROWS), lambda: Tokens(ROWS, ROWS), lambda: update(1, 2, 3, 4)):
        with pytest.raises((BeartypeCallHintViolation, TypeError)):
            wrong()
    with REFUSED:
        group_advantages(ROWS[None], MORE)
