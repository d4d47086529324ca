"""Outlines of tensors: the shapes of real ones, and a count of the bytes that are alive."""

import copy
import gc

import pytest
import torch
from torch import nn

from grao_ref.memory.counting import GRADIENTS, LOGITS, OTHER, WEIGHTS, Bytes
from grao_ref.memory.outlines import META, Outline, outlined
from grao_ref.policies.tiles import linear_logprobs


def outline(count, *shape, dtype=torch.float32):
    return Outline(torch.empty(shape, dtype=dtype, device=META), count)


def alive(count):
    return {kind: size for kind, size in count.now.items() if size}


def test_what_is_alive_is_counted_once_and_until_it_is_gone():
    count = Bytes()
    x = outline(count, 10, 3)
    view, double = x.t(), x.double()
    assert alive(count) == {OTHER: 120 + 240}  # a view has no bytes of its own
    del x
    assert alive(count) == {OTHER: 120 + 240}
    del view
    assert alive(count) == {OTHER: 240}
    assert double.shape == (10, 3)
    assert count.peak == {OTHER: 360}
    count.forget_peak()
    assert count.peak == {OTHER: 240}


def test_the_peak_of_a_chain_is_that_of_its_two_largest_neighbours():
    count = Bytes()
    x = outline(count, 1000)
    for _ in range(5):
        x = x + 1  # the old one and the new one
    assert count.peak == {OTHER: 8000}
    with count.unseen():
        x = torch.cat([x] * 9)
    assert count.peak == {OTHER: 8000}


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_s_gradients_are_alive_after_the_backward_pass(bias):
    count = Bytes()
    layer = nn.Linear(30, 20, bias=bias)
    outlined(layer, count)
    bytes_of = 4 * (600 + 20 * bias)
    assert alive(count) == {WEIGHTS: bytes_of}
    count.trained = {(20, 30)}
    torch.autograd.backward(layer(outline(count, 7, 30)).sum())
    gc.collect()
    assert alive(count) == {WEIGHTS: bytes_of, GRADIENTS: 2400} | ({OTHER: 80} if bias else {})


def test_shapes_are_those_of_real_tensors():
    def results(make):
        x, mask = make(6, 4), torch.tensor([True, False, True, True, False, False])
        y = x.clone()
        y[1:3] = 0
        drawn = torch.searchsorted(x.softmax(-1).cumsum(-1), make(6, 1))
        return [x[mask], x[torch.tensor([1, 1])], y.add_(1), x @ x.T, *x.split([2, 4]), drawn, torch.cat([x, y])]

    count = Bytes()
    real, outlines = results(torch.rand), results(lambda *shape: outline(count, *shape))
    assert [(each.shape, each.dtype, each.stride()) for each in real] == [
        (each.shape, each.dtype, each.stride()) for each in outlines
    ]


def test_a_tensor_that_is_changed_in_place_is_no_new_one():
    count = Bytes()
    x = outline(count, 100)
    y = x.mul_(2)
    assert y is x
    assert alive(count) == {OTHER: 400}


def test_a_copied_module_takes_its_bytes_again_and_shared_weights_stay_shared():
    count = Bytes()
    pair = nn.ModuleList([nn.Linear(8, 4, bias=False), nn.Linear(8, 4, bias=False)])
    pair[1].weight = pair[0].weight
    outlined(pair, count)
    assert alive(count) == {WEIGHTS: 128}
    with count.making("copy"):
        twin = copy.deepcopy(pair)
    assert alive(count) == {WEIGHTS: 128, "copy": 128}
    assert twin[0].weight is twin[1].weight is not pair[0].weight
    assert isinstance(twin[0].weight, nn.Parameter)


def test_tiles_that_were_kept_are_gone_after_the_backward_pass_though_the_result_is_kept():
    """They were not: an update keeps every micro-batch's loss, and with it 256 MiB of each."""
    count = Bytes()
    head = nn.Linear(16, 1000, bias=False)
    outlined(head, count)
    count.vocabulary = 1000
    hidden = outline(count, 50, 16).requires_grad_()
    kept = linear_logprobs(hidden, head, torch.zeros(50, dtype=torch.long), temperature=1.0, dtype=torch.float32)
    assert alive(count)[LOGITS] == 50 * 1000 * 4
    torch.autograd.backward(kept.sum())
    assert LOGITS not in alive(count)
    assert kept.shape == (50,)
