"""A prompt's cache that forward passes with gradient can read: for its G samples and its reference, and again.

transformers' own cache grows with each pass. One that takes part in training must not: activation checkpointing runs a
layer's forward pass a second time, which has to see what the first one saw.
"""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

SWITCH = "_can_checkpoint_with_cache"  # transformers' own, on its layers


class SteadyCache(DynamicCache):
    """Each pass over a layer starts from what that layer holds now, and changes nothing of it.

    `after`: what the layers would hold after the first pass, by their number; recorded on request. `passes`: how many
    layers have read it so far.
    """

    def __init__(self, layers: Iterable[Any], *, recording: bool) -> None:
        super().__init__()
        self.layers, self.recording = list(layers), recording
        self.after: dict[int, Any] = {}
        self.passes = 0

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> Any:
        """The keys and values that this pass attends to: those held, and the new ones."""
        layer: Any = copy.copy(self.layers[layer_idx])
        found = layer.update(key_states, value_states, *args, **kwargs)
        if self.recording:
            self.after.setdefault(layer_idx, layer)
        self.passes += 1
        return found

    def of_rows(self, rows: Int[Tensor, "B"]) -> "SteadyCache":
        """After the recorded pass: the cache of some of its rows, which may be repeated. Gradients flow through it."""
        layers = [copy.copy(self.after.get(number, layer)) for number, layer in enumerate(self.layers)]
        for number in self.after:
            layers[number].batch_select_indices(rows)
        return SteadyCache(layers, recording=False)


def empty_cache(model: PreTrainedModel) -> SteadyCache:
    """A cache that records one pass, with the layers that the model's configuration asks for."""
    return SteadyCache(DynamicCache(config=model.config).layers, recording=True)


def checkpoint_with_cache(model: PreTrainedModel) -> bool:
    """Let checkpointed layers read a cache, which transformers withholds from them; whether they do is tried out.

    Its reason, that a second pass would add to the cache, does not hold for a `SteadyCache`. GPT-2's code withholds it
    once more, and older versions of transformers have no such switch.
    """
    layers = [
        each for each in model.modules() if isinstance(each, GradientCheckpointingLayer) and hasattr(each, SWITCH)
    ]
    for layer in layers:
        setattr(layer, SWITCH, True)
    if not layers:
        return False
    cache, tokens = empty_cache(model), torch.zeros(1, 2, dtype=torch.long, device=model.device)
    model.train(True)
    with torch.no_grad():
        model.base_model(tokens, past_key_values=cache, use_cache=False)
    model.train(False)
    return len(cache.after) > 0


def checkpoint_without_cache(model: PreTrainedModel) -> None:
    """Take `checkpoint_with_cache` back."""
    for module in model.modules():
        vars(module).pop(SWITCH, None)
