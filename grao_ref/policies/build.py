"""A language model as a config describes it: loaded, with its adapter, as a policy that stops where it should."""

import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.policies.adapters import unwrapped
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import embedding_rows, load_language_model
from grao_ref.policies.lora import BASE, adapter_of, add_lora, keep_training
from grao_ref.settings.config import Config
from grao_ref.text.encoding import Encoder
from grao_ref.text.template import system_text, template_at

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
    able = model.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    policy = CausalLMPolicy(
        model,
        eos_ids=encoder_of(model, tokenizer, config).end_ids,
        max_completion_length=config.max_completion_length,
        bf16=able if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
        critic=critic,
        lora_dropout=config.lora_dropout,
    )
    if config.sampler == "paged":
        policy.page()
    if config.sampler == "eager":
        policy.replayed = False
    return policy


# The values with which a setting of an adapter was not asked for.
UNASKED = {field.name: [field.default] for field in fields(Config) if field.name in LORA}
UNASKED["lora_target_modules"].append(("all-linear",))


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Beside a saved model, and with the base that `save_adapter` may have written, where `pipeline` looks for it."""
    base = folder.parent / BASE
    for place in (folder, base) if (base / "config.json").exists() else (folder,):
        tokenizer.save_pretrained(place)


def encoder_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: Config) -> Encoder:
    """How texts become tokens for this model: by its chat template or by the config's own.

    The encoder's tokenizer is the one given, or a copy of it that has the config's template. Raises `ValueError` on a
    template or a system prompt that can't be read.
    """
    if config.chat_template_path is not None:
        template = template_at(config.chat_template_path)
        tokenizer = copy.copy(tokenizer)
        tokenizer.chat_template = template
    return Encoder(
        tokenizer,
        options=config.chat_template_kwargs,
        system=None if config.system_prompt is None else system_text(config.system_prompt),
        skip_special_tokens=config.skip_special_tokens,
        rows=embedding_rows(model),
        ends=eos_ids(model),
    )


def eos_ids(model: PreTrainedModel) -> list[int]:
    """The ids that end an answer by the model's generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    return sorted(configured) if isinstance(configured, list) else [] if configured is None else [configured]
