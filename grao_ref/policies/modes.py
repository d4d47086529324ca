"""What a model needs before it becomes a policy: no dropout, sound and fast kernels, checkpointing on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

from grao_ref.policies.lora import dropout_as_it_was
from grao_ref.policies.prefix import checkpoint_with_cache, checkpoint_without_cache
from grao_ref.policies.products import use_faster_products, use_torch_s_products, with_faster_products


def get_ready(model: PreTrainedModel, *, checkpointing: bool) -> bool:
    """Put a model into the state in which a policy samples, scores and trains; `as_it_was` takes it back.

    Returns whether a prompt's samples can share one forward pass of it, with gradient.
    """
    without_dropout(model)
    without_cudnn_attention(model.device)
    use_faster_products(model)
    shares_prompts = True
    if checkpointing:
        checkpoint_activations(model)
        shares_prompts = checkpoint_with_cache(model)
    model.train(False)
    return shares_prompts


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
    for holder, name in _dropouts(model):
        setattr(holder, name, 0.0)


@contextmanager
def as_it_was(model: PreTrainedModel) -> Iterator[None]:
    """Whatever a policy changes of a model to train it, and of torch's switches, is put back when the block ends.

    Its dropout and its adapter's, each module's training mode, checkpointing, its products, and cuDNN's attention
    kernel. Not its parameters.
    """
    dropouts = [(holder, name, getattr(holder, name)) for holder, name in _dropouts(model)]
    modes = [(module, module.training) for module in model.modules()]
    faster, checkpointing = with_faster_products(model), _is_checkpointed(model)
    kernel = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    try:
        with dropout_as_it_was(model):
            yield
    finally:
        for holder, name, value in dropouts:
            setattr(holder, name, value)
        for module, training in modes:
            module.training = training
        use_torch_s_products(model, but=faster)
        if _is_checkpointed(model) and not checkpointing:
            stop = getattr(model, "activation_checkpointing_disable", None) or model.gradient_checkpointing_disable
            stop()
            checkpoint_without_cache(model)
        torch.backends.cuda.enable_cudnn_sdp(kernel)


def _is_checkpointed(model: PreTrainedModel) -> bool:
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def _dropouts(model: PreTrainedModel) -> Iterator[tuple[Any, str]]:
    """Modules and configs, each with the name of a probability that something is dropped with."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            yield module, "p"
        for holder in (module, getattr(module, "config", None)):
            for name, value in list(getattr(holder, "__dict__", {}).items()):
                if isinstance(value, float) and ("drop" in name or "jitter" in name):
                    yield holder, name
