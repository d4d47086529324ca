"""A language model as a config describes it: loaded, with its adapter, as a policy that stops where it should."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.policies.adapters import unwrapped
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import BASE, adapter_of, add_lora, keep_training
from grao_ref.settings.config import Config

LORA = ("lora_r", "lora_alpha", "lora_target_modules")


def language_policy(
    config: Config, device: torch.device, *, critic: bool = False
) -> tuple[CausalLMPolicy, PreTrainedTokenizerBase]:
    """The config's model on a device, as a policy, and its tokenizer."""
    model, tokenizer = load_language_model(
        config.model_name_or_path,
        device=device,
        dtype=config.dtype,
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
        merge_adapter=config.merge_adapter,
    )
    return policy_of(model, tokenizer, config, critic=critic), tokenizer


def policy_of(
    model: Any, tokenizer: PreTrainedTokenizerBase, config: Config, *, critic: bool = False
) -> CausalLMPolicy:
    """A loaded model as a policy to be trained: all of it, the adapter that it has, or a new one with `use_peft`.

    A `PeftModel`'s adapter is trained in its place. Raises `ValueError` on settings that its adapter contradicts, and
    on weights in float16 that would be trained.
    """
    model = unwrapped(model)
    if adapter_of(model) is not None:
        if config.merge_adapter:  # a model by its name is merged when it is loaded
            raise ValueError("merge_adapter is for a model by its name: call merge_and_unload() on the model itself")
        given = {name: getattr(config, name) for name in LORA if getattr(config, name) not in UNASKED[name]}
        keep_training(model, given)
    elif config.use_peft:
        add_lora(model, r=config.lora_r, alpha=config.lora_alpha, target_modules=config.lora_target_modules)
    if any(p.dtype == torch.float16 for p in model.parameters() if p.requires_grad):
        raise ValueError(
            "weights in float16 can't be trained, since Adam's steps overflow in it: load them with dtype float32 or "
            "bfloat16, or train an adapter (use_peft), which is float32"
        )
    return policy_as_it_is(model, tokenizer, config, critic=critic)


def policy_as_it_is(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: Config, *, critic: bool = False
) -> CausalLMPolicy:
    """A loaded model as a policy, with the config's lengths and precision."""
    able = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    return CausalLMPolicy(
        model,
        eos_ids=eos_ids(model, tokenizer.eos_token_id),
        max_completion_length=config.max_completion_length,
        bf16=able if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
        critic=critic,
        lora_dropout=config.lora_dropout,
    )


# The values with which a setting of an adapter was not asked for.
UNASKED = {field.name: [field.default] for field in fields(Config) if field.name in LORA}
UNASKED["lora_target_modules"].append(("all-linear",))


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Beside a saved model, and with the base that `save_adapter` may have written, where `pipeline` looks for it."""
    base = folder.parent / BASE
    for place in (folder, base) if (base / "config.json").exists() else (folder,):
        tokenizer.save_pretrained(place)


def eos_ids(model: PreTrainedModel, tokenizers: int | None) -> list[int]:
    """Every id that ends an answer: those of the model's generation config, and the tokenizer's."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in (tokenizers, *ids) if token is not None})
