"""A tiny random model of (nearly) every architecture that transformers calls a causal language model.

Sizes are set by the names that configurations give them. What takes many tokens to show in a real model (windows,
chunks and blocks of attention) is made smaller than a prompt and its answer here.
"""

import inspect
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

FAMILIES = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
LARGEST = 20_000_000  # parameters: a larger one has sizes that are not named below
VOCABULARY, EOS, HEADS = 24, 1, 4
SMALL: dict[str, Any] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCABULARY),
    **dict.fromkeys(
        ("hidden_size", "d_model", "n_embd", "emb_dim", "lru_width", "embedding_size", "output_embedding_size"), 32
    ),
    **dict.fromkeys(
        ("intermediate_size", "intermediate_size_mlp", "ffn_dim", "decoder_ffn_dim", "encoder_ffn_dim"), 48
    ),
    **dict.fromkeys(("n_inner", "d_ff", "dff", "ffn_hidden_size", "block_ff_dim"), 48),
    **dict.fromkeys(("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("moe_intermediate_size", "shared_intermediate_size", "expert_ffn_hidden_size"), 16),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), HEADS),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), HEADS),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "global_head_dim"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    **dict.fromkeys(("sliding_window", "window_size", "attention_window_size"), 6),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts", "n_group"), 2),
    **dict.fromkeys(("topk_group", "n_shared_experts", "first_k_dense_replace"), 1),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "v_head_dim"), 8),
    "qk_rope_head_dim": 4,
    **dict.fromkeys(("linear_num_value_heads", "linear_num_heads"), 4),
    "linear_num_key_heads": 2,
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"), 8),
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads", "mamba_d_head", "mamba_head_dim", "mamba_d_state"), 8),
    **dict.fromkeys(("state_size", "ssm_state_size", "mamba_headdim"), 8),
    **dict.fromkeys(("mamba_n_groups", "mamba_ngroups", "n_groups"), 1),
    **dict.fromkeys(("mamba_expand", "n_mamba_heads", "altup_num_inputs"), 2),
    **dict.fromkeys(("mamba_dt_rank", "hidden_size_per_layer_input", "laurel_rank", "rotary_dim"), 4),
    "mamba_d_ssm": 64,
    "attention_head_dim": 16,
    "attention_chunk_size": 4,
    **dict.fromkeys(("index_topk", "index_n_heads"), 2),
    "index_head_dim": 8,
    **dict.fromkeys(("image_size", "patch_size", "depth", "out_hidden_size"), 8),
    **dict.fromkeys(("initializer_range", "init_std"), 0.3),  # so that predictions are far from uniform
}
HYBRID = {"num_hidden_layers": 4}  # one of its four layers is attention
SHARED = {  # the last two layers read the keys and values of earlier ones
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_kv_shared_layers": 2,
}
SPECIAL: dict[str, dict[str, Any]] = {
    "bailing_hybrid": {**HYBRID, "layer_group_size": 2},
    "bamba": {"attn_layer_indices": [1]},
    "cohere_compass_text": {"layer_types": ["sliding_attention", "full_attention"]},
    "cwm": {"bos_token_id": 2},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0}},
    "deepseek_v4": {"compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 4}},
    "gemma3": {"vision_config": {"model_type": "siglip_vision_model"}, "mm_tokens_per_image": 1},
    "gemma3n_text": SHARED | {"activation_sparsity_pattern": [0.0] * 4},
    "gemma4_text": SHARED,
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2},
    "kimi_linear": {
        "layer_types": ["linear_attention", "full_attention"],
        "linear_num_heads": 4,
        "num_local_experts": 4,
    },
    "longcat_flash": {"head_dim": 4},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "mamba2": {"num_heads": 8},
    "minimax_m3_vl_text": {"layer_types": ["full_attention", "minimax_m3_sparse"], "index_block_size": 2},
    "modernbert-decoder": {"bos_token_id": 2, "cls_token_id": 2, "sep_token_id": 2},
    "qwen3_5_moe_text": HYBRID,
    "qwen3_5_text": HYBRID,
    "qwen3_next": HYBRID,
    "qwen4_exp_text": {
        **HYBRID,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 4,
        "indexer_compress_ratio": 2,
    },
    "recurrent_gemma": {"num_hidden_layers": 3},
    "zamba": {"num_hidden_layers": 3, "layers_block_type": ["mamba", "hybrid", "hybrid"], "num_key_value_heads": 4},
    "zamba2": {"num_hidden_layers": 3, "layers_block_type": ["mamba", "hybrid", "hybrid"], "num_key_value_heads": 4},
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 8},
}


def tiny_config(kind: type[PreTrainedConfig], special: dict[str, Any] | None = None) -> PreTrainedConfig:
    """A configuration with small sizes, wherever the kind has a field of one of these names."""
    special, names = special or {}, _fields(kind)
    sizes = {name: value for name, value in SMALL.items() if name in names}
    sizes |= {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": EOS}
    if "qk_rope_head_dim" in names:  # latent attention has heads of other sizes, and as many keys as queries
        sizes.pop("head_dim", None)
        sizes["num_key_value_heads"] = HEADS
    inner = getattr(kind, "sub_configs", None) or {}
    for name, part in inner.items():
        own = special.get(name, {})
        if getattr(part, "model_type", None):
            sizes[name] = tiny_config(part, SPECIAL.get(part.model_type, {}) | own)
        elif own:  # any kind: the one that is named, if one is
            sizes[name] = tiny_config(CONFIG_MAPPING[own["model_type"]], own) if "model_type" in own else own
    return kind(**sizes | {name: value for name, value in special.items() if name not in (*inner, "model_type")})


def _fields(kind: type) -> set[str]:
    """The names that a configuration's constructor takes, but those that all configurations have."""
    names: set[str] = set()
    for base in kind.__mro__[: kind.__mro__.index(PreTrainedConfig)]:
        names |= set(getattr(base, "__annotations__", {}))
        if "__init__" in vars(base):
            names |= set(inspect.signature(base.__init__).parameters)
    return names


def tiny_model(family: str, seed: int = 0) -> PreTrainedModel:
    """A random model of an architecture in float32. Raises whatever its classes raise; `MemoryError` if it is large."""
    config = tiny_config(CONFIG_MAPPING[family], SPECIAL.get(family))
    config.is_decoder = True  # BERT and its like
    with torch.device("meta"):
        size = sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
    if size > LARGEST:
        raise MemoryError(f"{size:,} parameters")
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config).eval()
