"""Weights from a folder into a model that is there: nothing is built from what the folder says, nothing is guessed."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel


def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Put the weights that `save_pretrained` wrote into the model, as they are.

    Some architectures' files have other names than the model's parameters; transformers turns those back, with the
    model's own config. Raises `ValueError` on a tensor too many or too few, or of another shape or type.
    """
    there = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    saved = _read(folder)
    if not saved.keys() <= there.keys():
        saved = _by_transformers(model, folder)
    found = {there[name].data_ptr() for name in saved}  # of tied tensors, one is saved
    absent = [name for name in there.keys() - saved.keys() if there[name].data_ptr() not in found]
    if absent:
        raise ValueError(
            f"the weights have no {min(absent)}, and lack {len(absent)} of the model's {len(there)} tensors"
        )
    for name, tensor in saved.items():
        if (tensor.shape, tensor.dtype) != (there[name].shape, there[name].dtype):
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)} and {tensor.dtype}, and in the model "
                f"{tuple(there[name].shape)} and {there[name].dtype}"
            )
    with torch.no_grad():
        for name, tensor in saved.items():
            there[name].copy_(tensor)


def _read(folder: Path) -> dict[str, Tensor]:
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise ValueError("there is no file of weights, model.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def _by_transformers(model: PreTrainedModel, folder: Path) -> dict[str, Tensor]:
    options: dict[str, Any] = {"config": model.config, "dtype": model.dtype, "output_loading_info": True}
    loaded: Any = type(model).from_pretrained(folder, **options)
    twin, report = loaded
    wrong = {kind: sorted(map(str, report[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        kind, names = next((kind, names) for kind, names in wrong.items() if names)
        raise ValueError(f"the weights have {kind.replace('_', ' ')}: {', '.join(names[:3])}")
    return dict(twin.state_dict())
