"""The embedded language model: a Llama of 280,000 parameters that writes drafts of the sorting task.

It is an ordinary model folder (1.1 MB) that ships with the package and needs no network.
`python -m grao_ref.pretrain` makes the folder again.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerBase,
)

CHARACTERS = "0123456789=."  # a character's position is its token id; the full stop ends an answer
END = CHARACTERS.index(".")
WIDTH, ACTIVE = 192, 2  # of an MLP; experts of a mixture that a token uses
SHAPE: dict[str, Any] = {
    "vocab_size": len(CHARACTERS),
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32,
    "bos_token_id": None,
    "eos_token_id": END,
    "pad_token_id": None,
    "tie_word_embeddings": False,
}


def tiny_folder() -> Path:
    """The model's folder, as `from_pretrained` and `pipeline` load it."""
    return Path(__file__).with_name("tiny")


def tiny_model(*, seed: int | None = None) -> LlamaForCausalLM:
    """The pretrained model; with a seed, the same architecture with random weights. float32."""
    if seed is None:
        return LlamaForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32)
    config = LlamaConfig(**SHAPE, intermediate_size=WIDTH)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def tiny_mixture(*, seed: int, experts: int) -> MixtralForCausalLM:
    """The same architecture with experts of half the width, two of them for a token: as many active parameters.

    Random weights, float32. The router adds 96 parameters an expert and layer.
    """
    config = MixtralConfig(
        **SHAPE, intermediate_size=WIDTH // ACTIVE, num_local_experts=experts, num_experts_per_tok=ACTIVE
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MixtralForCausalLM(config)


def tiny_tokenizer() -> PreTrainedTokenizerBase:
    """Its tokenizer: a token for each character."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_folder())
    return tokenizer
