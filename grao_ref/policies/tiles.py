"""log π of chosen tokens straight from hidden states, through a linear head, a tile of tokens at a time.

The logits of n tokens, (n, V), are the largest tensor of an update: at V = 49,152, 1,000 tokens have 200 MB of them,
and an ordinary log-softmax with its gradient holds four copies. Here a tile is all that exists at once. Where the whole
is small, the tiles' probabilities are kept for the backward pass; where not, they are computed again there.
The result is `equations.logprob.token_logprobs(head(hidden), ids)`, up to float order.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from grao_ref.policies.products import add_outer, linear, times

TILE = 2**26  # bytes of logits in a tile: 341 tokens of a vocabulary of 49,152, in float32
KEPT = 2**28  # bytes of probabilities that may wait for the backward pass


def linear_logprobs(
    hidden: Float[Tensor, "n D"],
    head: torch.nn.Linear,
    ids: Int[Tensor, "n"],
    *,
    temperature: float,
    dtype: torch.dtype,
    tile: int = TILE,
    kept: int = KEPT,
) -> Float[Tensor, "n"]:
    """log softmax(z_t / τ)[o_t] with z = W h + b, differentiable in h, W and b.

    - `hidden`: h, the last hidden state at the position that predicts each token.
    - `head`: W and b, the language model's output layer.
    - `ids`: o_t.
    - `temperature`: τ > 0.
    - `dtype`: of the products with W. The log-softmax is float32 at least, and so is the result.
    - `tile`, `kept`: bytes of logits that exist at once, and of probabilities that are kept rather than computed again.

    The ids are not checked: one outside the vocabulary is an error of torch's own.
    """
    return _LinearLogprobs.apply(  # type: ignore[no-any-return, no-untyped-call]
        hidden, head.weight, head.bias, ids, (temperature, dtype, tile, kept if torch.is_grad_enabled() else 0)
    )


class _LinearLogprobs(torch.autograd.Function):
    """∂ log π(o) / ∂z = (1[o] − softmax(z / τ)) / τ, tile by tile."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor, options: Any) -> Tensor:
        temperature, dtype, tile, kept = options
        accurate = torch.promote_types(dtype, torch.float32)
        size = max(1, tile // (weight.shape[0] * accurate.itemsize))
        keep = kept >= len(ids) * weight.shape[0] * accurate.itemsize
        ctx.save_for_backward(hidden, weight, bias, ids)
        ctx.temperature, ctx.dtype, ctx.size, ctx.tiles = temperature, dtype, size, []
        found = hidden.new_empty(len(ids), dtype=accurate)
        with torch.autocast(hidden.device.type, enabled=False):
            W, b = weight.to(dtype), None if bias is None else bias.to(dtype)
            for start in range(0, len(ids), size):
                rows = slice(start, start + size)
                logits = _logits(hidden[rows].to(dtype), W, b, temperature)
                found[rows], probabilities = _log_softmax_at(logits, ids[rows])
                if keep:
                    ctx.tiles.append(probabilities)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, ids = ctx.saved_tensors
        of_hidden, of_weight, of_bias = ctx.needs_input_grad[:3]
        W, b = weight.to(ctx.dtype), None if bias is None else bias.to(ctx.dtype)
        tiles, ctx.tiles = ctx.tiles, []  # else they would live as long as the result does
        dh = torch.empty_like(hidden) if of_hidden else None
        dW = torch.zeros_like(weight, dtype=gradient.dtype) if of_weight else None
        db = torch.zeros_like(bias, dtype=gradient.dtype) if of_bias else None
        for number, start in enumerate(range(0, len(ids), ctx.size)):
            rows = slice(start, start + ctx.size)
            h, g = hidden[rows].to(ctx.dtype), gradient[rows, None] / ctx.temperature
            if tiles:
                dz = tiles[number] * -g
            else:
                dz = _log_softmax_at(_logits(h, W, b, ctx.temperature), ids[rows])[1].mul_(-g)
            dz.scatter_add_(1, ids[rows, None], g)
            if db is not None:
                db += dz.sum(dim=0)
            dz = dz.to(ctx.dtype)
            if dh is not None:
                dh[rows] = times(dz, W)
            if dW is not None:
                add_outer(dW, dz, h)
        return dh, None if dW is None else dW.to(weight.dtype), None if db is None else db.to(bias.dtype), None, None


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, temperature: float) -> Tensor:
    """(W h + b) / τ of a tile, in float32 at least."""
    logits = linear(hidden, weight, bias)
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).div_(temperature)


def _log_softmax_at(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """log softmax at the ids, and the softmax, which takes the logits' place in memory."""
    logits.sub_(logits.amax(dim=1, keepdim=True))
    chosen = logits.gather(1, ids[:, None])[:, 0]
    total = logits.exp_().sum(dim=1)
    return chosen - total.log(), logits.div_(total[:, None])
