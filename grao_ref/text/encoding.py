"""Prompts and answers as token ids: the only place where the package calls a tokenizer on text.

Every function takes lists, because tokenizers are much faster on lists than on single texts.
"""

from collections.abc import Sequence
from typing import Any

from grao_ref.text.messages import Message, Prompt

Ids = list[int]
Tokenizer = Any  # a Hugging Face tokenizer, or what can be called like one


def prompt_ids(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[Ids]:
    """Tokens of each prompt, up to the point where the answer begins.

    Text gets the special tokens that the tokenizer adds at its start. A conversation is rendered by the chat template
    with its generation prompt; the template writes all special tokens itself, and the tokenizer adds none. Raises
    `ValueError` on a conversation where the tokenizer has no chat template.
    """
    texts = [prompt if isinstance(prompt, str) else _render(tokenizer, prompt, opened=True) for prompt in prompts]
    return _mixed(tokenizer, texts, prompts)


def answer_ids(tokenizer: Tokenizer, answers: Sequence[str], *, closed: bool) -> list[Ids]:
    """Tokens of each answer, without any special token at its start.

    `closed`: append the end-of-sequence token, which a policy has to learn; reward heads read answers without it.
    Raises `ValueError` on `closed` where the tokenizer has no such token.
    """
    if closed and tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-sequence token, so the end of an answer can't be learned")
    end = [tokenizer.eos_token_id] if closed else []
    return [[*ids, *end] for ids in _tokens(tokenizer, answers, special=False)]


def conversation_ids(tokenizer: Tokenizer, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Ids]:
    """Tokens of each prompt and its answer as one text, which is what reward models are trained on.

    Raises `ValueError` where `prompt_ids` does.
    """
    texts = [
        prompt + answer
        if isinstance(prompt, str)
        else _render(tokenizer, [*prompt, {"role": "assistant", "content": answer}], opened=False)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    return _mixed(tokenizer, texts, prompts)


def context_of(model: Any, tokenizer: Tokenizer) -> int:
    """The most tokens of prompt and answer together: the smaller of the model's limit and the tokenizer's."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(min(tokenizer.model_max_length, positions or tokenizer.model_max_length))


def _mixed(tokenizer: Tokenizer, texts: Sequence[str], prompts: Sequence[Prompt]) -> list[Ids]:
    """Tokens of each text; the tokenizer adds special tokens where the prompt is text, not where a template did."""
    result: list[Ids] = [[]] * len(texts)
    for special in (True, False):
        rows = [row for row, prompt in enumerate(prompts) if isinstance(prompt, str) == special]
        for row, ids in zip(rows, _tokens(tokenizer, [texts[row] for row in rows], special=special), strict=True):
            result[row] = ids
    return result


def _tokens(tokenizer: Tokenizer, texts: Sequence[str], *, special: bool) -> list[Ids]:
    if not texts:  # tokenizers refuse an empty list
        return []
    try:
        ids: list[Ids] = tokenizer(list(texts), add_special_tokens=special)["input_ids"]
    except Exception as error:  # tokenizers without an unknown token raise a bare Exception
        if type(error) is not Exception:
            raise
        raise ValueError(f"the tokenizer of {tokenizer.name_or_path!r} can't encode a text: {error}") from None
    return ids


def _render(tokenizer: Tokenizer, messages: Sequence[Message], *, opened: bool) -> str:
    """The messages as the chat template writes them; `opened`: with the start of the assistant's answer."""
    if not tokenizer.chat_template:
        raise ValueError(
            f"the prompts are conversational, and the tokenizer of {tokenizer.name_or_path!r} has no chat template"
        )
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=opened))
