"""What a model needs before it becomes a policy: no dropout, a sound attention kernel, checkpointing on request."""

import torch
from transformers import PreTrainedModel


def checkpoint_activations(model: PreTrainedModel) -> None:
    """By the name that transformers 5.23 has for it, or the one before."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=how)
    else:
        model.gradient_checkpointing_enable(how)  # type: ignore[no-untyped-call]


def without_cudnn_attention(device: torch.device) -> None:
    """Switch cuDNN's attention kernel off for this process, where the model is on a GPU; torch has others.

    Since torch 2.11 its backward pass on H100 and H200 gives NaN where the length is 64 modulo 128 and a row's
    log-sum-exp is below −88 (pytorch#196678). A prompt of 128 and an answer of 64 tokens is such a length: it ended one
    of nine recorded runs. The switch is torch's own and global, because checkpointing runs forward passes in backward.
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)


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
