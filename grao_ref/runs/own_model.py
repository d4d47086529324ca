"""What a user's own model and tokenizer have to be for `finetune`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.policies.adapters import unwrapped
from grao_ref.policies.modes import as_it_was

MARKS = ("peft_config", "_hf_peft_config_loaded")  # by which transformers knows a model with an adapter in its layers


def require_tokenizer(tokenizer: Any) -> None:
    """Raise `ValueError` on another kind of thing, such as a processor or a name."""
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return
    got = type(tokenizer).__name__
    if isinstance(tokenizer, str):
        raise ValueError(f"the tokenizer must be loaded: AutoTokenizer.from_pretrained({tokenizer!r})")
    inner = "; its tokenizer is .tokenizer" if hasattr(tokenizer, "tokenizer") else ""
    raise ValueError(f"the tokenizer must be one of transformers, got {got}{inner}")


def trainable(model: Any) -> PreTrainedModel:
    """The model itself; of a `PeftModel`, the model inside with its adapter in place.

    Warns of half precision, where small steps are lost. Raises `ValueError` on what is no causal language model on one
    device with a trainable parameter.
    """
    if isinstance(model, str):
        raise ValueError(f"the model must be loaded: AutoModelForCausalLM.from_pretrained({model!r})")
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    kind = type(inner).__name__
    if not isinstance(inner, PreTrainedModel):
        raise ValueError(f"the model must be one of transformers, got {kind}")
    if not inner.can_generate() or getattr(inner.config, "is_encoder_decoder", False):
        raise ValueError(f"the model must be a causal language model, such as AutoModelForCausalLM loads, got {kind}")
    devices = {parameter.device for parameter in model.parameters()}
    if len(devices) != 1 or next(iter(devices)).type == "meta":
        places = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"the model must be on one device, and is on {places}: load it without a device_map")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("no parameter of the model has requires_grad: nothing would be trained")
    half = {parameter.dtype for parameter in trained} & {torch.bfloat16, torch.float16}
    if half:
        name = str(half.pop()).removeprefix("torch.")
        warnings.warn(
            f"the model's trained weights are {name}, which rounds away small steps: load it in float32, and let "
            "bf16=True compute in bfloat16",
            stacklevel=3,
        )
    return inner


@contextmanager
def borrowed(model: Any) -> Iterator[PreTrainedModel]:
    """The model that is trained; when the block ends, its modes and marks are those that the user's model had.

    The model inside a `PeftModel` is marked as transformers marks one with an adapter of its own. Left there, the marks
    would make its `save_pretrained` write an adapter after `merge_and_unload`.
    """
    inner: PreTrainedModel = model.get_base_model() if hasattr(model, "get_base_model") else model
    with as_it_was(inner):
        marked = {name: vars(inner)[name] for name in MARKS if name in vars(inner)}
        try:
            yield unwrapped(model)
        finally:
            if inner is not model:
                for name in MARKS:
                    vars(inner).pop(name, None)
                vars(inner).update(marked)
