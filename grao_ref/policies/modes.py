"""What a Hugging Face model is put into before it becomes a policy: no dropout, and checkpointing on request."""

import torch
from transformers import PreTrainedModel


def checkpoint_activations(model: PreTrainedModel) -> None:
    """By the name that transformers 5.23 has for it, or the one before."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=how)
    else:
        model.gradient_checkpointing_enable(how)  # type: ignore[no-untyped-call]


def without_dropout(model: PreTrainedModel) -> None:
    """Set every dropout probability, dropped layer and jitter of the model to 0.

    It may stand in a module (`hidden_dropout`, `layerdrop`, `router_jitter_noise`) or be read from the config (Falcon),
    which then says 0 as well.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for holder in (module, getattr(module, "config", None)):
            for name, value in list(getattr(holder, "__dict__", {}).items()):
                if isinstance(value, float) and ("drop" in name or "jitter" in name):
                    setattr(holder, name, 0.0)
