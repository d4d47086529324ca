"""A language model as a config describes it: loaded, with its adapter, as a policy that stops where it should."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import embedding_rows, load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.settings.config import Config
from grao_ref.text.encoding import Encoder
from grao_ref.text.template import system_text, template_at


def language_policy(config: Config, device: torch.device) -> tuple[CausalLMPolicy, PreTrainedTokenizerBase]:
    """The config's model on a device, as a policy, and its tokenizer."""
    model, tokenizer = load_language_model(config.model_name_or_path, device=device)
    return policy_of(model, tokenizer, config), tokenizer


def policy_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: Config) -> CausalLMPolicy:
    """A loaded model as a policy, with an adapter if `use_peft` is set."""
    if config.use_peft:
        add_lora(model, r=config.lora_r, alpha=config.lora_alpha, target_modules=config.lora_target_modules)
    able = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    return CausalLMPolicy(
        model,
        eos_ids=encoder_of(model, tokenizer, config).end_ids,
        max_completion_length=config.max_completion_length,
        bf16=able if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
    )


def encoder_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: Config) -> Encoder:
    """How texts become tokens for this model: by its chat template, or by the config's own, which the tokenizer keeps.

    Raises `ValueError` on a template or a system prompt that can't be read.
    """
    if config.chat_template_path is not None:
        tokenizer.chat_template = template_at(config.chat_template_path)
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
