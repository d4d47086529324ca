"""Placeholder of helper E."""

from typing import Any

from transformers import PreTrainedModel


def unwrapped(model: Any) -> PreTrainedModel:
    if not hasattr(model, "get_base_model"):
        return model
    inner = model.get_base_model()
    inner.peft_config, inner._hf_peft_config_loaded = model.peft_config, True
    return inner
