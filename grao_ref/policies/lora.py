"""Low-rank adapters through peft (arXiv:2106.09685): the base model stays as it is, and only the adapter is trained.

`adapters.py` loads one that is there already. Whichever way it came, a model has one adapter, in its layers.
"""

import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from grao_ref.plugins.manifest import MANIFEST, remove, seal

BASE = "base"  # beside an adapter: a base that is nowhere else


def add_lora(model: PreTrainedModel, *, r: int, alpha: int, target_modules: Sequence[str] = ()) -> None:
    """Put an adapter of rank r, scaled by alpha / r, on the named layers, or on all linear ones but the output's.

    It starts as the identity, so the adapted model is the base model before the first step. Its weights are float32 at
    least. Raises `ValueError` where peft is missing or a name matches no layer.
    """
    if importlib.util.find_spec("peft") is None:
        raise ValueError("use_peft needs peft: pip install 'grao_ref[peft]'")
    from peft import LoraConfig

    targets = [name for name in target_modules if name != "all-linear"] or "all-linear"
    try:
        model.add_adapter(
            LoraConfig(
                task_type="CAUSAL_LM",
                r=r,
                lora_alpha=alpha,
                target_modules=targets,
                fan_in_fan_out=any(
                    isinstance(module, Conv1D) for module in model.modules()
                ),  # GPT-2's own linear layer
            )
        )
    except ValueError as error:
        setting = "lora_target_modules" if "target" in str(error).lower() else "use_peft"
        raise ValueError(f"{setting}: {str(error).splitlines()[0]}") from None
    for tensor in trained_tensors(model):
        tensor.data = tensor.data.to(torch.promote_types(tensor.dtype, torch.float32))


def adapter_of(model: PreTrainedModel) -> Any:
    """The peft config of the model's adapter; None without one. Raises `ValueError` on several adapters."""
    configs = _configs(model)
    if len(configs) > 1:
        raise ValueError(f"the model has the adapters {', '.join(configs)}: only a model with one can be trained")
    return next(iter(configs.values()), None)


def keep_training(model: PreTrainedModel, asked: Mapping[str, Any]) -> None:
    """Go on training the model's adapter as it is. `asked`: settings of an adapter that were given, by name.

    Raises `ValueError` on a setting that the adapter contradicts, and on an adapter that can't be trained.
    """
    adapter = adapter_of(model)
    if not trained_tensors(model):
        raise ValueError("the model's adapter was loaded for inference: load it with is_trainable=True")
    if getattr(adapter, "alora_invocation_tokens", None):
        raise ValueError("an adapter with alora_invocation_tokens depends on its prompt, which is not done here")
    for name, value in asked.items():
        has = getattr(
            adapter, {"lora_r": "r", "lora_target_modules": "target_modules"}.get(name, name), "no such setting"
        )
        if (sorted(has) if isinstance(has, set | list) else has) != (
            sorted(value) if isinstance(value, tuple) else value
        ):
            shown = ", ".join(sorted(has)) if isinstance(has, set | list) else has
            raise ValueError(
                f"{name} is {value}, and the adapter that is trained further has {shown}: leave {name} out, or add "
                "--merge-adapter --use-peft, which merges the adapter and begins another"
            )


class GradientDropout(torch.nn.Module):
    """Dropout that depends on whether gradients are recorded, not on the module's mode.

    A model is in evaluation mode when checkpointing computes a forward pass again within the backward pass, and has to
    drop the same inputs.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs · mask / (1 − p), each mask entry 0 with probability p; without gradients, the inputs."""
        return torch.nn.functional.dropout(inputs, self.probability, training=torch.is_grad_enabled())


def set_dropout(model: PreTrainedModel, probability: float) -> None:
    """The share of an adapter's inputs that is dropped where gradients are recorded.

    Raises `ValueError` on a share that is 1, and on one above 0 where there is no adapter of plain LoRA layers.
    """
    adapter, layers = adapter_of(model), _dropouts(model)
    if probability:
        if not layers:
            raise ValueError("lora_dropout is for a LoRA adapter: use_peft adds one")
        variant = any(getattr(module, "lora_variant", None) for module in model.modules())  # DoRA, for one
        if variant or getattr(adapter, "target_parameters", None):
            raise ValueError("lora_dropout is for plain LoRA on linear layers, and the model's adapter is another kind")
        if probability >= 1:
            raise ValueError(f"lora_dropout must be below 1, got {probability}: nothing would be left of the inputs")
    for layer in layers:
        for name in layer:
            layer[name] = GradientDropout(probability) if probability else torch.nn.Identity()
    if layers:
        adapter.lora_dropout = probability


@contextmanager
def dropout_as_it_was(model: PreTrainedModel) -> Iterator[None]:
    """Put the adapter's dropout back when the block ends."""
    layers = [(layer, dict(layer.items())) for layer in _dropouts(model)]
    configs = [(each, each.lora_dropout) for each in _configs(model).values() if hasattr(each, "lora_dropout")]
    try:
        yield
    finally:
        for layer, modules in layers:
            layer.update(modules)
        for config, probability in configs:
            config.lora_dropout = probability


def _dropouts(model: PreTrainedModel) -> list[torch.nn.ModuleDict]:
    """Of every layer with an adapter: the module that drops its inputs, by the adapter's name."""
    found = (getattr(module, "lora_dropout", None) for module in model.modules())
    return [each for each in found if isinstance(each, torch.nn.ModuleDict)]


def _configs(model: PreTrainedModel) -> dict[str, Any]:
    return getattr(model, "peft_config", None) or {}


def trained_tensors(model: PreTrainedModel) -> list[Tensor]:
    """What training changes in the model."""
    return [tensor for tensor in model.parameters() if tensor.requires_grad]


def save_adapter(model: PreTrainedModel, folder: Path) -> None:
    """The adapter as peft writes it. A base in a folder is named by its absolute path: it is found from anywhere.

    A base that is in memory alone, since an adapter was merged into it, is written to `base` beside the folder, once.
    """
    adapter = adapter_of(model)
    if not adapter.base_model_name_or_path:
        _save_base(model, folder.parent / BASE)
        adapter.base_model_name_or_path = str(folder.parent / BASE)
    if Path(adapter.base_model_name_or_path).is_dir():
        adapter.base_model_name_or_path = str(Path(adapter.base_model_name_or_path).resolve())
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Could not find a config file"
        )  # peft asks the hub whether the base has grown
        model.save_pretrained(folder)


def load_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Take back what `save_adapter` wrote."""
    from peft import set_peft_model_state_dict

    saved = load_file(folder / "adapter_model.safetensors")
    state = {name.removeprefix("base_model.model."): tensor for name, tensor in saved.items()}
    (name,) = model.peft_config
    set_peft_model_state_dict(model, state, adapter_name=name)


def _save_base(model: PreTrainedModel, folder: Path) -> None:
    """The model without its adapter, as an ordinary folder with a manifest; the tensors are shared, not copied."""
    trained = {name for name, tensor in model.named_parameters() if tensor.requires_grad}
    state = {n.replace(".base_layer.", "."): tensor for n, tensor in model.state_dict().items() if n not in trained}
    with torch.device("meta"):
        base = type(model)._from_config(model.config)  # type: ignore[no-untyped-call]
    base.load_state_dict(state, assign=True)
    base.tie_weights()
    base.generation_config = model.generation_config
    remove(folder / MANIFEST)  # of a run that went on
    base.save_pretrained(folder)
    seal(folder, {})


@contextmanager
def swapped(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> Iterator[None]:
    """The two exchange their values within. No graph that needs the first ones may be waiting for its backward pass."""

    def exchange() -> None:
        for tensor, other in zip(tensors, others, strict=True):
            tensor.data, other.data = other.data, tensor.data

    exchange()
    try:
        yield
    finally:
        exchange()
