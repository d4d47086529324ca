"""The cache of a prompt's reading, repeated for its samples, with room for their answers."""

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


def repeat_with_room(cache: DynamicCache, group: int, length: int) -> None:
    """Repeat each prompt's keys and values `group` times, in place, with room for `length` tokens more.

    A layer whose window is narrower than what it has to hold stays transformers' own, and so does every other kind of
    layer: they copy what they keep with each token.
    """
    layers: list[DynamicLayer] = cache.layers  # type: ignore[assignment]
    for index, layer in enumerate(layers):
        full = type(layer) is DynamicLayer
        wide = type(layer) is DynamicSlidingWindowLayer and layer.get_seq_length() + length <= layer.sliding_window
        if (full or wide) and layer.keys is not None and layer.values is not None:
            layers[index] = RoomyLayer(layer.keys, layer.values, group, length)
            layers[index].is_sliding = layer.is_sliding  # by which transformers finds a layer to make a mask for
        else:
            layer.batch_repeat_interleave(group)


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of each token are written behind those before them; `DynamicLayer` copies all with each token.

    They are kept in the dtype that attention computes in. Under autocast, rotary embeddings leave keys in float32, all
    of which would be cast again with each token.
    """

    def __init__(self, keys: Tensor, values: Tensor, group: int, length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._keys, self._values = _with_room(keys, group, length), _with_room(values, group, length)
        self.dtype, self.device, self.is_initialized = self._keys.dtype, keys.device, True
        self._show(keys.shape[-2])

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write the new states, and give all that were written."""
        stop = self._written + key_states.shape[-2]
        self._keys[:, :, self._written : stop] = key_states
        self._values[:, :, self._written : stop] = value_states
        return self._show(stop)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows."""
        self._keys, self._values = self._keys[indices], self._values[indices]
        self._show(self._written)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        self._written = length
        self.keys, self.values = keys, values = self._keys[:, :, :length], self._values[:, :, :length]
        return keys, values


def _with_room(states: Tensor, group: int, length: int) -> Tensor:
    kind = states.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype
    rows, heads, read, size = states.shape
    room = states.new_empty(rows * group, heads, read + length, size, dtype=dtype)
    room[:, :, :read] = states.repeat_interleave(group, dim=0)
    return room
