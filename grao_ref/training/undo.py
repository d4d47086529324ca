"""Several updates on one batch, or none of them: where one fails, all tensors are what they were before the first."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def all_or_nothing(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Within: whatever is raised, the trained tensors and the optimiser's state become what they were, bit for bit."""
    put_back = copied(optimizer)
    try:
        yield
    except BaseException:  # an interrupt too
        put_back()
        raise


def in_their_places(tensors: Iterable[Tensor]) -> Callable[[], None]:
    """Remembers where the values of tensors stand, without a copy. Returns the function that puts them there again.

    A reference model may exchange them with its own for a while (`policies/lora.py`), and be broken off within.
    """
    places = [(tensor, tensor.data) for tensor in tensors]

    def put_back() -> None:
        for tensor, values in places:
            tensor.data = values

    return put_back


def copied(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """Copies what an optimiser changes: its tensors and its state. Returns the function that puts the copy back."""
    trained = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    values = [tensor.detach().clone() for tensor in trained]
    state = {
        tensor: {name: _copy(value) for name, value in moments.items()} for tensor, moments in optimizer.state.items()
    }

    @torch.no_grad()
    def put_back() -> None:
        for tensor, value in zip(trained, values, strict=True):
            tensor.copy_(value)
        optimizer.state.clear()  # before the first update ever there was none
        optimizer.state.update(state)

    return put_back


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
