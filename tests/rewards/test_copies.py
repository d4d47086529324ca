"""A function's own copies."""

import threading
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch

from grao_ref.rewards.copies import copied

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([[1, [2]]], lambda v: v[0][1].append(3)),
        ({"a": {"b": [1]}}, lambda v: v["a"]["b"].append(2)),
        ([(1, [2])], lambda v: v[0][1].append(3)),
        ([{1, 2}], lambda v: v[0].add(3)),
        ([OrderedDict(a=[1])], lambda v: v[0]["a"].append(2)),
        ([Point(1, [2])], lambda v: v[0].y.append(3)),
        ([bytearray(b"a")], lambda v: v[0].extend(b"b")),
    ],
)
def test_a_change_in_a_copy_changes_nothing_else(value, change):
    copy, words = copied(value), repr(value)
    assert copy == value
    assert type(copy) is type(value)
    change(copy)
    assert repr(value) == words
    change(value)  # control: it does change what it is given
    assert repr(value) != words


def test_arrays_and_tensors_are_copied_a_leaf_of_a_graph_too():
    array, leaf = np.zeros(2), torch.zeros(2, requires_grad=True)
    first, second = copied([array, leaf])
    first += 1
    with torch.no_grad():
        second += 1
    assert array.tolist() == leaf.tolist() == [0, 0]


def test_what_can_not_be_copied_is_passed_on():
    lock = threading.Lock()
    assert copied([lock])[0] is lock
    rows = OrderedDict(lock=lock, rows=[1])
    assert copied({"a": rows, "b": [1]})["a"] is rows  # of which not even the rest can be copied
    assert copied("text") == "text"
