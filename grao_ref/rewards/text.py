"""Prompts and completions as TRL writes them, text or messages, and how a model's tokenizer reads them."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from grao_ref.data.messages import Message, Prompt

Completion = str | list[Message]


def transcript(prompt: Prompt) -> str:
    """A prompt that people and judges can read: the text itself, or a paragraph `role: words` for each message."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def as_completion(text: str, prompt: Prompt) -> Completion:
    """The completion in the form of its prompt: text after text, a list of one message after messages."""
    return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]


def encode_pair(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, completion: str) -> tuple[list[int], list[int]]:
    """Tokens of the prompt, by the chat template where it is conversational, and of the answer.

    A template writes its special tokens itself; the tokenizer must not add them again.
    """
    opened = prompt
    if not isinstance(prompt, str):
        opened = render(tokenizer, prompt, add_generation_prompt=True)
    question = encode(tokenizer, str(opened), add_special_tokens=isinstance(prompt, str))
    return question, encode(tokenizer, completion, add_special_tokens=False)


def encode_whole(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, completion: str) -> list[int]:
    """Tokens of prompt and answer as one text: what a reward model was trained on."""
    if isinstance(prompt, str):
        return encode(tokenizer, prompt + completion, add_special_tokens=True)
    text = render(tokenizer, [*prompt, {"role": "assistant", "content": completion}], add_generation_prompt=False)
    return encode(tokenizer, text, add_special_tokens=False)


def encode(tokenizer: PreTrainedTokenizerBase, text: str, *, add_special_tokens: bool) -> list[int]:
    """Token ids of one text."""
    ids: list[int] = tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]
    return ids


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Any], *, add_generation_prompt: bool) -> str:
    """The messages as the tokenizer's chat template writes them. Raises `ValueError` where there is none."""
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the prompts are conversational, and the tokenizer of {tokenizer.name_or_path!r} has no chat template"
        )
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=add_generation_prompt)
    return str(text)
