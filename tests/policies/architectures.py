"""Tiny random models of five architectures: absolute and rotary positions, dense and mixtures of experts, MLA."""

import torch
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    GPT2Config,
    LlamaConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2MoeConfig,
)

VOCABULARY, EOS = 24, (1, 2)
TOKENS = {"vocab_size": VOCABULARY, "eos_token_id": list(EOS), "pad_token_id": 0, "bos_token_id": None}
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
CONFIGS = {
    "gpt2": lambda: GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **TOKENS),
    "llama": lambda: LlamaConfig(**SIZES, num_key_value_heads=2, **TOKENS),
    "qwen2": lambda: Qwen2Config(**SIZES, num_key_value_heads=2, **TOKENS),
    "qwen2_moe": lambda: Qwen2MoeConfig(
        **SIZES, num_key_value_heads=2, num_experts=4, shared_expert_intermediate_size=16, **EXPERTS, **TOKENS
    ),
    "deepseek_v3": lambda: DeepseekV3Config(  # Moonlight's architecture
        **SIZES,
        **EXPERTS,
        **TOKENS,
        num_key_value_heads=4,
        n_routed_experts=4,
        n_shared_experts=1,
        n_group=2,
        topk_group=1,
        q_lora_rank=8,
        kv_lora_rank=8,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
        first_k_dense_replace=1,
    ),
}


def random_model(name: str, seed: int = 0) -> PreTrainedModel:
    """In float64, with weights large enough for its predictions to be far from uniform."""
    torch.manual_seed(seed)
    config = CONFIGS[name]()
    config.initializer_range = 0.3
    # The default kernel for experts refuses float64.
    experts = {"experts_implementation": "eager"} if name in ("qwen2_moe", "deepseek_v3") else {}
    return AutoModelForCausalLM.from_config(config, **experts).to(torch.float64)
