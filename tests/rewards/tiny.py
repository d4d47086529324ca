"""Tiny random models with a tokenizer of whole words, saved to folders: synthetic, and meaningless as rewards."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

WORDS = ["<s>", "</s>", "<unk>", "user", "assistant", ":", ".", "hello", "world", "yes", "no", *"abcdefgh"]
TEMPLATE = (
    "{% for m in messages %}<s> {{ m['role'] }} : {{ m['content'] }} </s>{% endfor %}"
    "{% if add_generation_prompt %}<s> assistant :{% endif %}"
)
CONFIGS = {
    "llama": lambda **kwargs: LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        **kwargs,
    ),
    "gpt2": lambda **kwargs: GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **kwargs),
    "bert": lambda **kwargs: BertConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        **kwargs,
    ),
}


def tokenizer(*, chat: bool = True) -> PreTrainedTokenizerFast:
    """Splits text at blanks and puts <s> in front, as Llama's tokenizer does; the end token is also the pad token."""
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    made.pad_token = "</s>"
    made.chat_template = TEMPLATE if chat else None
    return made


def causal_folder(folder: Path, architecture: str = "llama", *, chat: bool = True) -> Path:
    """A causal language model with random weights."""
    return _save(folder, AutoModelForCausalLM, architecture, chat, pad_token_id=1)


def classifier_folder(folder: Path, architecture: str = "llama", *, pad: int | None = 1, labels: int = 1) -> Path:
    """A sequence classifier with random weights; `pad` is its config's."""
    return _save(folder, AutoModelForSequenceClassification, architecture, True, pad_token_id=pad, num_labels=labels)


def _save(folder, kind, architecture, chat, **settings):
    config = CONFIGS[architecture](vocab_size=len(WORDS), bos_token_id=0, eos_token_id=1, **settings)
    config.initializer_range = 0.5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = kind.from_config(config)
    model.save_pretrained(folder)
    tokenizer(chat=chat).save_pretrained(folder)
    return folder
