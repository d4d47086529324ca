"""Log-probabilities through the head, tile by tile: `token_logprobs` of the logits, with less of them in memory."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.equations.logprob import token_logprobs
from grao_ref.policies import tiles
from grao_ref.policies.tiles import linear_logprobs

EXACT = {"temperature": 1.0, "dtype": torch.float64}


def some(n: int = 11, size: int = 5, vocabulary: int = 7, bias: bool = True, scale: float = 1.0):
    torch.manual_seed(0)
    head = torch.nn.Linear(size, vocabulary, bias=bias, dtype=torch.float64)
    hidden = (torch.randn(n, size, dtype=torch.float64) * scale).requires_grad_()
    return hidden, head, torch.randint(vocabulary, (n,))


def plainly(hidden, head, ids, temperature):
    return token_logprobs(head(hidden), ids, torch.ones_like(ids, dtype=torch.bool), temperature=temperature)


@given(
    st.sampled_from([0.3, 1.0, 1.7]),
    st.sampled_from([1, 56, 57, 200, 2**20]),
    st.sampled_from([0, 2**20]),
    st.booleans(),
    st.sampled_from([1.0, 300.0]),
)
def test_values_and_gradients_are_those_of_the_plain_way(temperature, tile, kept, bias, scale):
    hidden, head, ids = some(bias=bias, scale=scale)
    leaves = [hidden, *head.parameters()]
    ours = linear_logprobs(hidden, head, ids, temperature=temperature, dtype=torch.float64, tile=tile, kept=kept)
    theirs = plainly(hidden, head, ids, temperature)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = torch.randn(len(ids), dtype=torch.float64)
    for a, b in zip(*(torch.autograd.grad((x * weights).sum(), leaves) for x in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kept", [0, 2**20])
def test_the_gradient_is_that_of_finite_differences(kept):
    hidden, head, ids = some()

    def scored(h, weight, bias):
        with_these = torch.nn.Linear(5, 7, device="meta")
        del with_these.weight, with_these.bias
        with_these.weight, with_these.bias = weight, bias
        return linear_logprobs(h, with_these, ids, **EXACT, tile=2 * 7 * 8, kept=kept)

    assert torch.autograd.gradcheck(scored, (hidden, head.weight, head.bias))


def test_one_number_more_in_the_gradient_would_be_seen(monkeypatch):
    """Control: a tile whose probabilities are off by a little has another gradient."""
    inner = tiles._log_softmax_at
    monkeypatch.setattr(tiles, "_log_softmax_at", lambda z, ids: (lambda lp, p: (lp, p * 1.001))(*inner(z, ids)))
    hidden, head, ids = some()
    ours = torch.autograd.grad(linear_logprobs(hidden, head, ids, **EXACT).sum(), hidden)[0]
    theirs = torch.autograd.grad(plainly(hidden, head, ids, 1.0).sum(), hidden)[0]
    with pytest.raises(AssertionError):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_frozen_head_gets_no_gradient_and_the_hidden_states_get_theirs():
    hidden, head, ids = some()
    expected = torch.autograd.grad(plainly(hidden, head, ids, 1.0).sum(), hidden)[0]
    head.requires_grad_(False)
    linear_logprobs(hidden, head, ids, **EXACT).sum().backward()
    torch.testing.assert_close(hidden.grad, expected)
    assert head.weight.grad is None
    assert not linear_logprobs(hidden.detach(), head, ids, **EXACT).requires_grad


def test_a_second_backward_pass_gives_the_same():
    hidden, head, ids = some()
    scores = linear_logprobs(hidden, head, ids, **EXACT)
    first, second = (torch.autograd.grad(scores.sum(), hidden, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_products_in_bfloat16_and_all_else_in_float32():
    hidden, head, ids = some(n=40, size=64, vocabulary=50)
    hidden, head = hidden.detach().float().requires_grad_(), head.float()
    with torch.autocast("cpu", torch.bfloat16):
        ours = linear_logprobs(hidden, head, ids, temperature=1.0, dtype=torch.bfloat16, tile=50 * 4 * 7, kept=0)
        theirs = plainly(hidden, head, ids, 1.0)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert (ours - plainly(hidden, head, ids, 1.0)).abs().max() > 1e-4  # control: it was bfloat16
    leaves = [hidden, *head.parameters()]
    for a, b in zip(*(torch.autograd.grad(x.sum(), leaves) for x in (ours, theirs)), strict=True):
        assert a.dtype == torch.float32
        assert ((a - b).norm() / b.norm()).item() < 0.02


def test_what_exists_at_once_is_a_tile_and_not_the_logits(monkeypatch):
    hidden, head, ids = some(n=40)
    shapes, inner = [], tiles._logits
    monkeypatch.setattr(tiles, "_logits", lambda *of: (lambda z: (shapes.append(len(z)), z)[1])(inner(*of)))
    linear_logprobs(hidden, head, ids, **EXACT, tile=7 * 8 * 16, kept=0).sum().backward()
    assert shapes == [16, 16, 8] * 2  # forward, and again in the backward pass
    shapes.clear()
    linear_logprobs(hidden, head, ids, **EXACT, tile=7 * 8 * 16).sum().backward()
    assert shapes == [16, 16, 8]  # kept
    shapes.clear()
    with torch.no_grad():
        found = linear_logprobs(hidden, head, ids, **EXACT, tile=7 * 8 * 16)
    assert (shapes, found.requires_grad) == ([16, 16, 8], False)
