"""Matrix products of linear layers on a CPU: by oneDNN where torch's own, by MKL, is slow.

MKL is slow on AMD's processors with AVX-512. There oneDNN, which torch has built in, needs half of the time for a
product of many rows in float32, and two thirds for few (page *Speed*). Elsewhere, in other dtypes, under autocast, for
small layers and for tensors of other classes, everything is as torch has it. The results are the same up to float
order.
"""

import platform
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

PAYS = 2**20  # multiplications of a product: below, the call costs what it saves
LARGE = 2**16  # weights of a layer: below, a step of a small model gains no more than a twentieth
SLICE = 2**13  # rows of a sum of outer products that are made at once: their factors are copied for it
PLAIN = (Tensor, torch.nn.Parameter)  # others (quantised, of several processes) have products of their own


class Linear(torch.nn.Linear):
    """A linear layer whose products are `linear`'s; parameters and their names are torch's."""

    def forward(self, input: Tensor) -> Tensor:
        """W x + b."""
        return linear(input, self.weight, self.bias)


def use_faster_products(model: torch.nn.Module) -> None:
    """Let the model's `torch.nn.Linear` layers multiply with `linear`, where this processor gains by it.

    Their class is another one then, under the same names: `torch.jit`, forward-mode derivatives, and whatever looks for
    the class itself (`quantize_dynamic`) want `use_torch_s_products` first.
    """
    for module in model.modules() if has_slow_products() else ():
        if type(module) is torch.nn.Linear:
            module.__class__ = Linear


def use_torch_s_products(model: torch.nn.Module, but: Sequence[torch.nn.Module] = ()) -> None:
    """Take `use_faster_products` back, but for some layers."""
    kept = set(map(id, but))
    for module in with_faster_products(model):
        if id(module) not in kept:
            module.__class__ = torch.nn.Linear


def with_faster_products(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The layers that `use_faster_products` has changed."""
    return [module for module in model.modules() if type(module) is Linear]


def linear(
    x: Float[Tensor, "*B D"], weight: Float[Tensor, "V D"], bias: Float[Tensor, "V"] | None = None
) -> Float[Tensor, "*B V"]:
    """x Wᵀ + b, once differentiable in x, W and b."""
    if not _pays(x, weight) or (bias is not None and bias.shape != weight.shape[:1]):
        return torch.nn.functional.linear(x, weight, bias)
    if not torch.is_grad_enabled():
        return _product(x, weight, bias)
    return _Linear.apply(x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]


def times(a: Float[Tensor, "B D"], b: Float[Tensor, "D V"]) -> Float[Tensor, "B V"]:
    """A B, without gradient."""
    return _product(a, b.T) if _pays(a, b.T) else a @ b


def add_outer(total: Float[Tensor, "V D"], rows: Float[Tensor, "B V"], columns: Float[Tensor, "B D"]) -> None:
    """total += Σ_b rows_b columns_bᵀ, in place and without gradient."""
    if total.dtype != rows.dtype or not _pays(rows.T, columns.T):
        total.addmm_(rows.T, columns) if total.dtype == rows.dtype else total.add_(rows.T @ columns)
        return
    for some, piece in _outer(total, rows, columns):
        some += piece


@cache
def has_slow_products() -> bool:
    """Whether torch multiplies by MKL on a processor of AMD's with AVX-512, and has oneDNN beside it."""
    able = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return able and torch.backends.cpu.get_cpu_capability() == "AVX512" and _is_amd() and _multiplies()


def _is_amd() -> bool:
    """By what Linux says of the processor, or Windows."""
    about = Path("/proc/cpuinfo")
    return "AuthenticAMD" in (about.read_text() if about.exists() else platform.processor())


def _multiplies() -> bool:
    """Whether this torch has the product under its name. It is not part of torch's public interface."""
    try:
        a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
        return torch.equal(_product(a, b), a @ b.T)
    except (AttributeError, RuntimeError, TypeError):
        return False


def _pays(x: Tensor, weight: Tensor) -> bool:
    return (
        type(x) in PLAIN
        and type(weight) in PLAIN
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and x.dim() > 1
        and weight.dim() == 2
        and x.shape[-1] == weight.shape[1]  # else the error is torch's
        and weight.numel() >= LARGE
        and x.numel() * weight.shape[0] >= PAYS
        and has_slow_products()
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b, as torch.compile calls it. It reads a bias without its stride."""
    bias = None if bias is None else bias.contiguous()
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


def _outer(total: Tensor, rows: Tensor, columns: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Slices of the total, each with the sum of outer products that belongs there."""
    for some, of in zip(torch.split(total, SLICE), torch.split(rows, SLICE, dim=1), strict=True):
        yield some, _product(of.T, columns.contiguous().T)


class _Linear(torch.autograd.Function):
    """y = x Wᵀ + b: ∂x = ∂y W, ∂W = Σ ∂y xᵀ, ∂b = Σ ∂y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_x, of_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if of_weight else None, weight if of_x else None)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows, dW = gradient.flatten(0, -2), None
        if of_weight:
            columns = x.flatten(0, -2)
            dW = columns.new_empty(rows.shape[1], columns.shape[1])
            for some, piece in _outer(dW, rows, columns):
                some.copy_(piece)
        return _product(gradient, weight.T) if of_x else None, dW, rows.sum(dim=0) if of_bias else None
