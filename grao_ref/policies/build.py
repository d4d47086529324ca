"""A language model as a config describes it: loaded, with its adapter, as a policy that stops where it should."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.settings.config import Config


def language_policy(config: Config, device: torch.device) -> tuple[CausalLMPolicy, PreTrainedTokenizerBase]:
    """The config's model on a device, as a policy, and its tokenizer."""
    model, tokenizer = load_language_model(
        config.model_name_or_path,
        device=device,
        dtype=config.dtype,
        attn_implementation=config.attn_implementation,
        trust_remote_code=config.trust_remote_code,
    )
    return policy_of(model, tokenizer, config), tokenizer


def policy_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: Config) -> CausalLMPolicy:
    """A loaded model as a policy, with an adapter if `use_peft` is set."""
    if config.use_peft:
        add_lora(model, r=config.lora_r, alpha=config.lora_alpha, target_modules=config.lora_target_modules)
    able = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    return CausalLMPolicy(
        model,
        eos_ids=eos_ids(model, tokenizer.eos_token_id),
        max_completion_length=config.max_completion_length,
        bf16=able if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
    )


def eos_ids(model: PreTrainedModel, tokenizers: int | None) -> list[int]:
    """Every id that ends an answer: those of the model's generation config, and the tokenizer's."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in (tokenizers, *ids) if token is not None})
