r"""HH-RLHF's transcripts, `\n\nHuman: ...\n\nAssistant: ...`, as conversations and back.

A transcript may hold more than alternating turns:

- consecutive turns of one speaker become one message, joined by a blank line, because chat templates need roles that
  alternate;
- text before the first turn becomes a system message;
- an empty turn is dropped;
- spaces around a turn's text are dropped.
"""

import re

from grao_ref.data.parts import OddRowError
from grao_ref.text.messages import Message, Prompt

ROLES = {"Human": "user", "Assistant": "assistant"}
MARKS = {"user": "\n\nHuman: ", "assistant": "\n\nAssistant: ", "system": ""}
ANSWER = "\n\nAssistant:"
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")


def conversation(transcript: str) -> list[Message]:
    r"""The turns of a transcript as messages.

    >>> conversation("\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Why?")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello.'}, {'role': 'user', 'content': 'Why?'}]
    """
    before, *turns = _TURN.split(transcript)
    spoken = [("system", before), *((ROLES[who], words) for who, words in zip(turns[::2], turns[1::2], strict=True))]
    messages: list[Message] = []
    for role, words in spoken:
        if not words.strip():
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += "\n\n" + words.strip()
        else:
            messages.append({"role": role, "content": words.strip()})
    return messages


def as_text(prompt: Prompt) -> str:
    r"""A prompt as text, for a model without a chat template: HH's own format, up to where the answer begins.

    A prompt that is text already stays as it is. Raises `ValueError` on a role that HH has no mark for.

    >>> as_text([{"role": "user", "content": "Hi"}])
    '\n\nHuman: Hi\n\nAssistant:'
    """
    if isinstance(prompt, str):
        return prompt
    for message in prompt:
        if message["role"] not in MARKS:
            raise ValueError(f"a prompt as text knows the roles {', '.join(MARKS)}; got {message['role']!r}")
    return "".join(MARKS[message["role"]] + message["content"] for message in prompt) + ANSWER


def pair(chosen: str, rejected: str) -> tuple[list[Message], str, str]:
    """(prompt, chosen answer, rejected answer) of two transcripts that differ only after their last `Assistant:`.

    Raises `OddRowError` where they differ before it, where a transcript has no answer, has an empty one or
    continues after it, and where the prompt does not end in a question.
    """
    prompt, first = _split(chosen, "chosen")
    other, second = _split(rejected, "rejected")
    if prompt != other:
        raise OddRowError("chosen and rejected differ before their last Assistant turn")
    messages = conversation(prompt)
    if not messages or messages[-1]["role"] != "user":
        raise OddRowError("no Human turn before the last Assistant turn")
    return messages, first, second


def _split(transcript: str, name: str) -> tuple[str, str]:
    prompt, mark, answer = transcript.rpartition(ANSWER)
    if not mark:
        raise OddRowError(f"{name} has no Assistant turn")
    if _TURN.search(answer):
        raise OddRowError(f"{name} does not end in an Assistant turn")
    if not answer.strip():
        raise OddRowError(f"{name} ends in an empty answer")
    return prompt, answer.strip()
