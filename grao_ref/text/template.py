"""What a chat template writes: a prompt up to where its answer begins, the answer's turn, the token that ends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grao_ref.text.messages import Message
from grao_ref.text.special import Tokenizer, called, first_special, reason, without_special

HINT = "chat_template_kwargs may change what it writes, and chat_template_path names another template"
PROBES = ("yes", "no")  # two answers that begin and end with different letters
RESERVED = {"conversation", "messages", "tokenize", "add_generation_prompt", "continue_final_message"}


@dataclass(frozen=True)
class Turn:
    """What the template writes around the text of an answer."""

    before: str  # such as an empty block of thoughts, or a blank; without special tokens, as decoded texts have it
    after: str  # everything behind the text
    gap: str  # the part of `after` in front of its end token; nothing where it has none
    end: str | None  # the end token: the first special one in `after`
    end_id: int | None


class ChatTemplate:
    """A tokenizer's chat template with the options that it is called with (`chat_template_kwargs`)."""

    def __init__(self, tokenizer: Tokenizer, options: Mapping[str, Any] | None = None) -> None:
        taken = sorted(RESERVED & set(options or {}))
        if taken:
            raise ValueError(f"chat_template_kwargs can't set {taken[0]}, which is set for each text")
        self.tokenizer, self.options = tokenizer, dict(options or {})

    def opened(self, prompt: Sequence[Message]) -> str:
        """The prompt up to where the answer begins.

        A prompt that ends in an assistant's message is left open behind it: the answer continues that message.
        """
        if continues(prompt):
            return self._render(prompt, continue_final_message=True)
        return self._render(prompt, add_generation_prompt=True)

    def whole(self, prompt: Sequence[Message], answer: str) -> str:
        """The prompt with its answer, closed as the template closes it."""
        return self._render(answered(prompt, answer))

    def turn(self, prompt: Sequence[Message], opened: str, answer: str = "") -> Turn:
        """What is written around an answer to this prompt, found by rendering two short answers.

        `opened`: what the method of that name gives. `answer`: put before the two if they can't be rendered alone, as
        behind a generation prompt that opens thoughts. Raises `ValueError` where the opened prompt is not how the
        prompt with an answer begins, and where the template leaves the answer out.
        """
        alone = True
        try:
            first, second = (self.tail(opened, self.whole(prompt, probe)) for probe in PROBES)
        except ValueError:
            alone = False
            first, second = (self.tail(opened, self.whole(prompt, answer + probe)) for probe in PROBES)
        if first == second:
            raise ValueError("the chat template leaves the assistant's answer out; chat_template_path names another")
        before, after = _shared(first, second), _shared(first[::-1], second[::-1])[::-1]
        exact = first == before + PROBES[0] + after
        before = without_special(self.tokenizer, before) if exact and alone else ""  # else the answer is part of it
        return Turn(before, after, *first_special(self.tokenizer, after))

    def end_id(self, prompt: Sequence[Message]) -> int | None:
        """The token that ends an answer's turn, whether or not the opened prompt is how the whole begins."""
        first, second = (self.whole(prompt, probe) for probe in PROBES)
        after = _shared(first[::-1], second[::-1])[::-1] if first != second else ""
        return first_special(self.tokenizer, after)[2]

    def tail(self, opened: str, whole: str) -> str:
        """What the template writes behind the opened prompt. Raises `ValueError` where it is not the whole's start."""
        if not whole.startswith(opened):
            common = len(_shared(opened, whole))
            raise ValueError(
                f"the chat template writes {opened[common:][-60:]!r} before an answer is generated, and "
                f"{whole[common : common + 40]!r} in that place once the answer is there; {HINT}"
            )
        return whole[len(opened) :]

    def _render(self, messages: Sequence[Message], **how: bool) -> str:
        if not self.tokenizer.chat_template:
            raise ValueError(
                f"its prompt is conversational, and {called(self.tokenizer)} has no chat template; "
                "chat_template_path names a file that holds one"
            )
        try:
            return str(self.tokenizer.apply_chat_template(list(messages), tokenize=False, **{**self.options, **how}))
        except Exception as error:  # a template may raise anything
            raise ValueError(f"the chat template refuses this conversation ({reason(error)}); {HINT}") from None


def continues(prompt: Sequence[Message]) -> bool:
    """Whether the prompt ends in a message that was begun for the assistant."""
    return prompt[-1]["role"] == "assistant"


def answered(prompt: Sequence[Message], answer: str) -> list[Message]:
    """The conversation with the answer: a message of its own, or the end of the one that was begun.

    >>> answered([{"role": "assistant", "content": "I choose"}], " 3.")
    [{'role': 'assistant', 'content': 'I choose 3.'}]
    """
    begun = prompt[-1]["content"] if continues(prompt) else ""
    kept = prompt[:-1] if continues(prompt) else prompt
    return [*kept, {"role": "assistant", "content": begun + answer}]


def template_at(path: str) -> str:
    """The chat template in a file, or of the tokenizer in a folder or on the hub.

    Raises `ValueError` where there is none.
    """
    place = Path(path).expanduser()
    try:
        if place.is_file():
            template: Any = place.read_text(encoding="utf-8-sig")
        else:
            from transformers import AutoTokenizer

            template = AutoTokenizer.from_pretrained(path).chat_template
    except Exception as error:  # whatever a tokenizer's files may cause
        raise ValueError(f"chat_template_path {path!r} can't be read ({reason(error)})") from None
    if not template or not isinstance(template, str) or not template.strip():
        raise ValueError(f"chat_template_path {path!r} holds no chat template")
    return template


def system_text(value: str) -> str:
    """The system prompt that a setting stands for: the text of a file of that name, or the value itself."""
    try:
        is_file = Path(value).expanduser().is_file()
    except (OSError, ValueError):  # too long for a name, or with a null byte: a text
        is_file = False
    try:
        text = Path(value).expanduser().read_text(encoding="utf-8-sig").strip() if is_file else value
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"system_prompt {value!r} can't be read: {error}") from None
    if not text.strip():
        raise ValueError(f"system_prompt {value!r} is empty")
    return text


def _shared(first: str, second: str) -> str:
    """The longest start that two texts share."""
    length = min(len(first), len(second))
    for place in range(length):
        if first[place] != second[place]:
            return first[:place]
    return first[:length]
