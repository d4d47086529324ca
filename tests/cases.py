"""Tokenizers and tiny random models of the kinds that people bring: other templates, ends of a turn, blanks.

The templates have the shapes of the field's: ChatML with a block of thoughts, Llama 3's headers, Gemma, Mistral's
[INST], Phi 3. Their words are the tests' own.
"""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TURNS = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<stop>\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
THINKING = (  # an empty block of thoughts before the last answer, or in the generation prompt without thinking
    "{% for m in messages %}<begin>{{ m['role'] }}\n"
    "{% if loop.last and m['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<stop>\n"
    "{% endfor %}{% if add_generation_prompt %}<begin>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}<head>{{ m['role'] }}</head>\n\n{{ m['content'] | trim }}<stop>{% endfor %}"
    "{% if add_generation_prompt %}<head>assistant</head>\n\n{% endif %}"
)
ALTERNATING = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}"
    "{% elif (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "<begin>{{ 'model' if m['role'] == 'assistant' else 'user' }}\n{{ m['content'] | trim }}<stop>\n{% endfor %}"
    "{% if add_generation_prompt %}<begin>model\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
TWO_ENDS = (  # an end of turn, a line break, and an end of text behind the last turn
    "{% for m in messages %}<{{ m['role'] }}>\n{{ m['content'] }}<stop>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% else %}{{ eos_token }}{% endif %}"
)
PLAIN = (  # no special token at all
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
FORCED = (  # the generation prompt begins thoughts that the finished turn does not have
    "{% for m in messages %}<begin>{{ m['role'] }}\n{{ m['content'] }}<stop>\n{% endfor %}"
    "{% if add_generation_prompt %}<begin>assistant\n<think>\n{% endif %}"
)
FORGETFUL = TURNS.replace("{{ m['content'] }}", "{{ m['content'].split('</think>')[-1] }}")
SILENT = TURNS.replace("{{ m['content'] }}", "{{ m['content'] if m['role'] == 'user' }}")
SPECIAL = ("<pad>", "<eos>", "<stop>", "<begin>", "<bos>", "<head>", "</head>")
MERGES = [("Ġ", "C"), ("Ġ", "Ġ"), ("i", "t"), ("ĠC", "it"), ("Ċ", "Ċ"), ("C", "it"), ("a", "b")]


def byte_tokenizer(
    template: str | None = TURNS, *, eos: str | None = "<eos>", extra: tuple[str, ...] = (), around: str = "$A"
) -> PreTrainedTokenizerFast:
    """Bytes with a few merges, among them of a blank with a letter. `around`: what it adds to texts."""
    vocabulary = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in MERGES]
    inner = Tokenizer(models.BPE({token: n for n, token in enumerate(vocabulary)}, MERGES))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return _finished(inner, template, eos, extra, around)


def piece_tokenizer(
    template: str | None = INST, *, scheme: str | None = "first", around: str = "$A"
) -> PreTrainedTokenizerFast:
    """As SentencePiece: ▁ for a blank, one of them in front of a text. `scheme` None: a normalizer puts it there."""
    letters = [*"▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:[]/<>"]
    words = ["▁C", "it", "▁Cit", "y", "▁is", "▁▁"]
    vocabulary = {token: n for n, token in enumerate(["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters])}
    vocabulary |= {word: len(vocabulary) + n for n, word in enumerate(w for w in words if w not in vocabulary)}
    merges = [("▁", "C"), ("i", "t"), ("▁C", "it"), ("▁", "is"), ("▁", "▁")]
    vocabulary["is"] = len(vocabulary)
    merges.insert(3, ("i", "s"))
    inner = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    if scheme is None:
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=False)
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _finished(inner, template, "<eos>", (), around)


def _finished(inner: Tokenizer, template, eos, extra, around) -> PreTrainedTokenizerFast:
    inner.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (*SPECIAL, *extra)])
    if around != "$A":
        tokens = [(token, inner.token_to_id(token)) for token in around.split() if token in SPECIAL]
        inner.post_processor = processors.TemplateProcessing(single=around, special_tokens=tokens)
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=eos, pad_token="<pad>", bos_token="<bos>")
    made.chat_template = template
    return made


def save_model(folder: Path, tokenizer: PreTrainedTokenizerFast, *, rows: int | None = None, eos="<eos>") -> str:
    """A Llama of two layers, 32 wide, and its tokenizer. `rows`: of its embeddings, all tokens if left."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=rows or len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, pad_token_id=None,
            )
        )  # fmt: skip
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ([eos] if isinstance(eos, str) else eos)]
    model.config.eos_token_id = model.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def chats(count: int = 20, *, system: str | None = None, begun: str | None = None) -> list[dict]:
    """Conversational rows: name a capital. `begun`: the assistant's text that the prompt ends with."""
    before = [{"role": "system", "content": system}] if system else []
    behind = [{"role": "assistant", "content": begun}] if begun else []
    return [
        {
            "prompt": [*before, {"role": "user", "content": f"Name capital {n}."}, *behind],
            "completion": [{"role": "assistant", "content": f"{' ' if begun else ''}City {n}"}],
        }
        for n in range(count)
    ]


def save_rows(path: Path, rows: list[dict]) -> str:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def as_long(prompts, completions, **columns):
    """A reward with TRL's signature that every answer gets: its length."""
    return [float(len(c if isinstance(c, str) else c[0]["content"])) for c in completions]


def same_as_reference(completions, references, **columns):
    """1 for exactly the reference's text."""
    texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    return [float(text == reference) for text, reference in zip(texts, references, strict=True)]


def has_thoughts(completions, **columns):
    """1 where the answer holds its thoughts in tags."""
    texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    return [float("<think>" in text and "</think>" in text) for text in texts]
