"""A tiny random language model with a tokenizer, saved as on the hub, and synthetic rows to train it on."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHARACTERS = "abcdefghijklmnopqrstuvwxyz .?0123456789#\n"
SPECIAL = ["<pad>", "<eos>", "<user>", "<assistant>"]
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_model(folder: Path, *, template: bool = True, pad: bool = True, eos: bool = True, context: int = 64) -> str:
    """A Llama of 20,000 parameters that reads characters; the same for the same arguments."""
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *CHARACTERS])}
    core = Tokenizer(WordLevel(vocabulary, unk_token="?"))
    core.pre_tokenizer = Split("", "isolated")
    core.decoder = Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<eos>" if eos else None,
        pad_token="<pad>" if pad else None,
        additional_special_tokens=["<user>", "<assistant>"],
    )
    tokenizer.chat_template = TEMPLATE if template else None
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=context, bos_token_id=None,
            eos_token_id=1 if eos else None, pad_token_id=None, tie_word_embeddings=True,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


def save_rows(path: Path, rows: list[dict]) -> str:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def pairs(count: int = 40) -> list[dict]:
    """Synthetic preference pairs, conversational: the better answer has more of the letter e."""
    return [
        {
            "prompt": [{"role": "user", "content": f"number {n}?"}],
            "chosen": [{"role": "assistant", "content": "eeee" + "a" * (n % 3)}],
            "rejected": [{"role": "assistant", "content": "aaaa"}],
            "wanted": "e",
        }
        for n in range(count)
    ]


def texts(count: int = 40) -> list[dict]:
    """The same as plain text, without a rejected answer."""
    return [{"prompt": f"number {n}? ", "completion": "eeee", "wanted": "e"} for n in range(count)]


def share_of_wanted(prompts, completions, wanted, **columns):
    """A reward with TRL's signature: the share of wanted letters among the first four."""
    answers = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    return [answer[:4].count(letter) / 4 for answer, letter in zip(answers, wanted, strict=True)]


def sometimes(prompts, completions, **columns):
    """A reward that can't score answers that begin with a vowel."""
    answers = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    return [None if answer[:1] in ("a", "i", "o", "u") else float(len(answer)) for answer in answers]


def never(prompts, completions, **columns):
    """A reward that can score nothing."""
    return [None] * len(completions)


def broken(prompts, completions, **columns):
    """A reward that raises."""
    raise RuntimeError("out of order")


def short(prompts, completions, **columns):
    """A reward that loses a row."""
    return [0.0] * (len(completions) - 1)


def not_a_number(prompts, completions, **columns):
    """A reward that divides 0 by 0."""
    return [float("nan")] * len(completions)


def logging(completions, trainer_state, log_metric, log_extra):
    """A reward that uses all that TRL hands it."""
    log_metric("progress", trainer_state.global_step / trainer_state.max_steps)
    log_extra("letters", [len(c if isinstance(c, str) else c[0]["content"]) for c in completions])
    return [0.0] * len(completions)


def logging_the_loss(completions, log_metric, **columns):
    """A reward that logs a metric of the trainer's."""
    log_metric("loss", 0.0)
    return [0.0] * len(completions)
