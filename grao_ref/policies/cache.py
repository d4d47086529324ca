"""The cache of a prompt's reading, repeated for its samples, with room for their answers."""

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

# Kinds of layers that a prompt's answers can share, each with all that it holds copied by `reorder_cache`.
ATTENTION = {"DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer"}  # keys and values, or nothing
RECURRENT = {  # a state that is changed in place: not for forward passes with gradient
    "LinearAttentionLayer",
    "LinearAttentionAndFullAttentionLayer",
    "LinearAttentionAndSlidingWindowAttentionLayer",
}

UNTOLD = 2**20  # tokens: more than any cache has


def kinds_of_layers(model: PreTrainedModel) -> set[str]:
    """The names of the classes of the model's layers in transformers' cache."""
    return {type(layer).__name__ for layer in DynamicCache(config=model.config).layers}


def repeat_with_room(cache: DynamicCache, prompts: Int[Tensor, "B"], length: int) -> None:
    """Give each of B answers its prompt's part of the cache, in place, with room for `length` tokens more.

    - `prompts`: of each answer, the row of its prompt in the cache.

    A layer whose window is narrower than what it has to hold stays transformers' own, and so does every other kind of
    layer: they copy what they keep with each token. Of transformers' ways to copy a layer's rows, `reorder_cache` is
    the one that all kinds have for all they hold: recurrent layers inherit `batch_repeat_interleave` from attention,
    and it leaves their state as it is.
    """
    layers: list[DynamicLayer] = cache.layers  # type: ignore[assignment]
    for index, layer in enumerate(layers):
        full = type(layer) is DynamicLayer
        wide = type(layer) is DynamicSlidingWindowLayer and layer.get_seq_length() + length <= layer.sliding_window
        if (full or wide) and layer.keys is not None and layer.values is not None:
            layers[index] = RoomyLayer(layer.keys, layer.values, prompts, length)
            layers[index].is_sliding = layer.is_sliding  # by which transformers finds a layer to make a mask for
        else:
            layer.reorder_cache(prompts)  # type: ignore[arg-type]


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of each token are written behind those before them; `DynamicLayer` copies all with each token.

    They are kept in the dtype that attention computes in. Under autocast, rotary embeddings leave keys in float32, all
    of which would be cast again with each token.
    """

    def __init__(self, keys: Tensor, values: Tensor, prompts: Tensor, length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._keys, self._values = _with_room(keys, prompts, length), _with_room(values, prompts, length)
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

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows."""
        self._keys, self._values = self._keys[beam_idx], self._values[beam_idx]
        self._show(self._written)

    def fixed(self, place: Int[Tensor, "1"]) -> "FixedLayer":
        """The same tensors, as a layer of which every token sees the whole width: nothing in it may be NaN."""
        for room in (self._keys, self._values):
            room[:, :, self._written :] = 0
        return FixedLayer(self._keys, self._values, place, is_sliding=self.is_sliding)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        self._written = length
        self.keys, self.values = keys, values = self._keys[:, :, :length], self._values[:, :, :length]
        return keys, values


class FixedLayer(DynamicLayer):
    """Keys and values that stay where they are: a token's are written at `place`, and all are given.

    What was not written yet is given too: a mask has to hide it.
    """

    def __init__(self, keys: Tensor, values: Tensor, place: Int[Tensor, "1"], *, is_sliding: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values, self.place, self.is_sliding = keys, values, place, is_sliding
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write one token's states."""
        assert self.keys is not None
        assert self.values is not None
        self.keys.index_copy_(2, self.place, key_states.to(self.keys.dtype))
        self.values.index_copy_(2, self.place, value_states.to(self.values.dtype))
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Nonsense on purpose: a graph would keep the number of the token that it was captured with.

        A model that computes with it is found out when it is tried (`probe.replays`).
        """
        return UNTOLD

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The whole width, from the first token on."""
        assert self.keys is not None
        return self.keys.shape[-2], 0

    def fixed(self, place: Int[Tensor, "1"]) -> "FixedLayer":
        """The same layer, which writes at another place."""
        self.place = place
        return self


def fix(cache: DynamicCache, place: Int[Tensor, "1"]) -> bool:
    """Make the layers of a cache fixed ones, in place; False, and nothing is done, where one of them can't be."""
    layers: list[DynamicLayer] = cache.layers  # type: ignore[assignment]
    able = all(isinstance(layer, RoomyLayer | FixedLayer) for layer in layers)
    if able:
        layers[:] = [layer.fixed(place) for layer in layers]  # type: ignore[attr-defined]
    return able


def _with_room(states: Tensor, prompts: Tensor, length: int) -> Tensor:
    kind = states.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype
    _, heads, read, size = states.shape
    room = states.new_empty(len(prompts), heads, read + length, size, dtype=dtype)
    room[:, :, :read] = states[prompts]
    return room
