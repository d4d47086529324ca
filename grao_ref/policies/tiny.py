"""The embedded language model: a Llama of 280,000 parameters that writes drafts of the sorting task.

Its weights ship with the package (1.1 MB) and need no network. `python -m grao_ref.pretrain` makes them again.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

WEIGHTS = Path(__file__).with_name("tiny.safetensors")
VOCABULARY = 12  # ten digits, "=" and the end


def tiny_model(*, seed: int | None = None) -> LlamaForCausalLM:
    """The pretrained model, or with a seed the same architecture with random weights; float32."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=32,
        bos_token_id=None,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=None,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):  # nobody else's random numbers change
        torch.manual_seed(seed or 0)
        model = LlamaForCausalLM(config)
    if seed is None:
        model.load_state_dict(load_file(WEIGHTS))
    return model
