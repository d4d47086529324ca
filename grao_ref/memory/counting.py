"""Which bytes are alive at each moment, and at the peak, by what they are."""

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

WEIGHTS, CAST, GRADIENTS, MOMENTS = "weights", "weights in bfloat16", "gradients", "moments"
REFERENCE, COPY = "reference model", "copy of what is trained"
CACHE, LOGITS, OTHER = "cache", "logits", "activations"  # the last: what is nothing else


class Bytes:
    """The storages that are alive.

    `vocabulary`: rows of so many numbers are logits. `trained`: the shapes of trained matrices, which in a backward
    pass are those of gradients.
    """

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.peak: dict[str, int] = {}
        self.kinds: dict[int, str] = {}  # by storage
        self.vocabulary, self.trained = 0, set[tuple[int, ...]]()
        self._most, self._counting, self._kind = 0, True, OTHER

    def born(self, tensor: Tensor, kind: str | None = None) -> None:
        """Count a tensor's storage, unless it is another tensor's too."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.kinds:
            return
        kind = kind or self._kind_of(tensor)
        self.kinds[key] = kind
        weakref.finalize(storage, self._died, key, size)
        self.add(kind, size)

    def add(self, kind: str, size: int) -> None:
        """Count bytes that belong to no tensor here; a negative number takes them back."""
        self.now[kind] += size
        total = self.now.total()
        if self._counting and total > self._most:
            self._most, self.peak = total, {kind: size for kind, size in self.now.items() if size}

    def rename(self, tensor: Tensor, kind: str) -> None:
        """Count a tensor's storage as something else from now on."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self.now[self.kinds[key]] -= size
        self.now[kind] += size
        self.kinds[key] = kind

    def is_a(self, kind: str, tensor: Tensor) -> bool:
        """What a tensor's storage is counted as."""
        return self.kinds.get(tensor.untyped_storage()._cdata) == kind

    def forget_peak(self) -> None:
        """Begin a new phase: the peak is what is alive now."""
        self._most = 0
        self.add(OTHER, 0)

    @contextmanager
    def making(self, kind: str) -> Iterator[None]:
        """Within, what is nothing else is counted as this."""
        before, self._kind = self._kind, kind
        try:
            yield
        finally:
            self._kind = before

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Within, no peak is recorded."""
        self._counting = False
        try:
            yield
        finally:
            self._counting = True

    def _kind_of(self, tensor: Tensor) -> str:
        if tensor.dim() and tensor.shape[-1] == self.vocabulary:
            return LOGITS
        if tensor.dim() == 2 and tuple(sorted(tensor.shape)) in self.trained and is_backward():
            return GRADIENTS
        return self._kind

    def _died(self, key: int, size: int) -> None:
        self.now[self.kinds.pop(key)] -= size


def is_backward() -> bool:
    """Whether autograd computes gradients; not whether checkpointing computes a forward pass again meanwhile."""
    return torch._C._current_graph_task_id() != -1 and not torch.is_grad_enabled()
