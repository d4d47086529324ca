"""Tensors of which only shape and type exist.

The package's own code runs on a model of such tensors as it does on a real one: the same passes, micro-batches and
tiles. No number is computed, so a step of 7 billion parameters takes seconds and hardly any memory. What would be alive
is counted (`counting.py`). A question about numbers (is the loss finite? is the output layer all there is?) is
answered yes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from grao_ref.memory.counting import CAST, WEIGHTS, Bytes, is_backward

META, CPU = torch.device("meta"), torch.device("cpu")
aten = torch.ops.aten
FLASH = 1  # torch's number for the attention that keeps no matrix of weights
ANSWERS: dict[Any, Any] = {
    aten._fused_sdp_choice.default: FLASH,
    aten._local_scalar_dense.default: 1,
    aten.equal.default: True,
}
QUICK = {
    getattr(aten, f"{name}{end}") for name in ("mul", "add", "sub", "div", "neg", "exp", "pow") for end in ("", "_")
}
QUICK |= {aten.log, aten.rsqrt, aten.silu, aten.silu_backward, aten.gelu}
INDEXED = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


class Outline(Tensor):
    """A tensor that is said to be on the CPU, without numbers. `on_meta`: a tensor of its shape on the device meta."""

    on_meta: Tensor
    count: Bytes

    @staticmethod
    def __new__(cls, on_meta: Tensor, count: Bytes, kind: str | None = None) -> "Outline":
        """The outline of `on_meta`, counted as `kind`."""
        made: Outline = Tensor._make_wrapper_subclass(
            cls,
            on_meta.size(),
            strides=on_meta.stride(),
            storage_offset=on_meta.storage_offset(),
            dtype=on_meta.dtype,
            layout=on_meta.layout,
            device=CPU,
        )
        made.on_meta, made.count = on_meta, count
        count.born(on_meta, kind)
        return made

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy, which takes as many bytes again."""
        if id(self) not in memo:
            made: Tensor = Outline(torch.empty_like(self.on_meta), self.count)
            is_parameter = isinstance(self, nn.Parameter)
            memo[id(self)] = nn.Parameter(made, requires_grad=self.requires_grad) if is_parameter else made
        return memo[id(self)]  # type: ignore[no-any-return]

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Outline({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """The same operation on shapes."""
        if function in ANSWERS:
            return ANSWERS[function]
        if function is aten.add.Tensor and is_backward() and _alike(args[0], args[1]):
            return args[0]  # autograd adds up a tensor's gradients in place, but not those of a subclass of Tensor
        quick = _elementwise(function, args, kwargs)
        if quick is not None:
            return quick
        outlines: list[Outline] = []
        if function in INDEXED:
            args = (args[0], _places(args[1]), *args[2:])
        inner = [_inner(each, outlines) for each in args]
        named = {name: _inner(each, outlines) for name, each in (kwargs or {}).items()}
        if function is aten._grouped_mm.default:  # its shapes are known in bfloat16 alone
            found = function(inner[0].bfloat16(), inner[1].bfloat16(), *inner[2:], **named).to(inner[0].dtype)
        else:
            found = function(*inner, **named)
        count = outlines[0].count
        cast = function is aten._to_copy.default and count.is_a(WEIGHTS, inner[0])
        changed = {id(each.on_meta): each for each in outlines} if function._schema.is_mutable else {}
        return _outlines(found, changed, count, CAST if cast else None)


def _elementwise(function: Any, args: Any, kwargs: Any) -> Outline | None:
    """The result of an operation on each element, where all tensors have one type; None where it is another kind.

    torch works such shapes out in Python, which takes most of the time of an estimate.
    """
    if function.overloadpacket not in QUICK or kwargs:
        return None
    tensors = [each for each in args if isinstance(each, Outline)]
    if len({each.dtype for each in args if isinstance(each, Tensor)}) != 1 or len(tensors) < sum(
        isinstance(each, Tensor) for each in args
    ):
        return None
    if function._schema.is_mutable:
        return args[0]  # type: ignore[no-any-return]
    shape = torch.broadcast_shapes(*(each.shape for each in tensors))  # type: ignore[no-untyped-call]
    whole = next((each for each in tensors if each.shape == shape), None)
    if whole is None or not whole.is_floating_point():
        return None
    return Outline(torch.empty_like(whole.on_meta), whole.count)


def _alike(one: Any, other: Any) -> bool:
    return isinstance(one, Outline) and isinstance(other, Outline) and one.shape == other.shape


def _inner(value: Any, outlines: list[Outline]) -> Any:
    """An argument on the device meta; the outlines in it are appended to `outlines`."""
    if isinstance(value, Outline):
        outlines.append(value)
        return value.on_meta
    if isinstance(value, Tensor):
        return value.to(META)
    if isinstance(value, list | tuple):
        return type(value)([_inner(each, outlines) for each in value])
    return META if isinstance(value, torch.device) else value


def _outlines(value: Any, changed: dict[int, Outline], count: Bytes, kind: str | None) -> Any:
    """A result as outlines; a tensor that was changed in place is the one that it was."""
    if isinstance(value, Tensor):
        return changed[id(value)] if id(value) in changed else Outline(value, count, kind)
    if isinstance(value, list | tuple):
        return type(value)([_outlines(each, changed, count, kind) for each in value])
    return value


def _places(indices: Any) -> list[Any]:
    """Masks in an index as the places where they are True: how many there are decides the shape of the result."""
    found: list[Any] = []
    for index in indices:
        real = isinstance(index, Tensor) and not isinstance(index, Outline)
        found += index.nonzero(as_tuple=True) if real and index.dtype == torch.bool else [index]
    return found


_NOTHING: tuple[Tensor | None, Outline | None] = (None, None)


class OutlinedMasks(TorchFunctionMode):
    """Within, attention sees outlines of its masks, which it would otherwise copy, number by number."""

    def __init__(self, count: Bytes) -> None:
        super().__init__()
        self.count, self._last = count, _NOTHING

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Every function as it is, but for attention's mask."""
        kwargs = dict(kwargs or {})
        mask = kwargs.get("attn_mask")
        if function is scaled_dot_product_attention and mask is not None and not isinstance(mask, Outline):
            if self._last[0] is not mask:
                self._last = mask, Outline(torch.empty_like(mask, device=META), self.count)
            kwargs["attn_mask"] = self._last[1]
        return function(*args, **kwargs)


def outlined(module: nn.Module, count: Bytes, kind: str = WEIGHTS) -> None:
    """Put an outline in the place of each of a module's parameters and buffers; shared ones stay shared."""
    done: dict[int, Tensor] = {}
    for each in module.modules():
        for tensors in (each._parameters, each._buffers):
            for name, tensor in tensors.items():
                if tensor is None or isinstance(tensor, Outline):
                    continue
                if id(tensor) not in done:
                    made: Tensor = Outline(torch.empty_like(tensor, device=META), count, kind)
                    if isinstance(tensor, nn.Parameter):
                        made = nn.Parameter(made, requires_grad=tensor.requires_grad)
                    done[id(tensor)] = made
                tensors[name] = done[id(tensor)]  # type: ignore[assignment]
