"""Prompts and answers as people write them: text, or a list of messages with a role and a content.

A message is `{"role": ..., "content": ...}` as in TRL, or `{"from": ..., "value": ...}` as in ShareGPT. Its content is
text, or a list of parts `{"type": "text", "text": ...}`. Other keys (name, weight, ...) are ignored.
"""

import re
from typing import Any

Message = dict[str, str]  # {"role": ..., "content": ...}
Prompt = str | list[Message]
Completion = str | list[Message]

SPEAKERS = {  # ShareGPT's `from` -> role
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model", "bing", "bard"), "assistant"),
    "system": "system",
}
CALLS = ("tool_calls", "function_call")
_DUMPED = re.compile(  # a list of messages as JSON, or as Python prints it
    r"""\s*\[\s*\{\s*["'](role["'].*["']content|content["'].*["']role|from["'].*["']value)["']\s*:.*\}\s*\]\s*""",
    re.DOTALL,
)


def prompt_of(value: Any) -> Prompt:
    """A checked prompt: text or messages that are not blank. Raises `ValueError` otherwise."""
    if isinstance(value, str):
        return nonempty(value, "prompt")
    messages = messages_of(value, "prompt")
    nonempty("".join(message["content"] for message in messages), "prompt")
    return messages


def answer_of(value: Any, name: str) -> str:
    """The text of an answer, which is text already or a list with one message of the assistant.

    >>> answer_of([{"role": "assistant", "content": "Paris."}], "completion")
    'Paris.'
    """
    if isinstance(value, str):
        return nonempty(value, name)
    messages = messages_of(value, name)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        roles = ", ".join(message["role"] for message in messages)
        raise ValueError(f"{name} must be text or one message of the assistant, got messages of: {roles}")
    return nonempty(messages[0]["content"], name)


def answer_text(completion: Completion) -> str:
    """The text of a completion: text as it is, or the contents of its messages, joined."""
    return completion if isinstance(completion, str) else "".join(message["content"] for message in completion)


def as_completion(text: str, prompt: Prompt) -> Completion:
    """The completion in the form of its prompt: text after text, a list of one message after messages."""
    return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]


def transcript(prompt: Prompt) -> str:
    """A prompt that people and judges can read: text as it is, or a paragraph `role: words` for each message."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def messages_of(value: Any, name: str) -> list[Message]:
    """A checked list of messages, in which only role and content are kept. `name`: its column, for the error messages.

    Raises `ValueError` on a value that is no list of messages, an empty list, an unknown speaker, a content that is not
    text, and a call of a tool.
    """
    if not isinstance(value, list):
        raise ValueError(f"{name} must be text or a list of messages, got {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} is empty")
    return [_message(message, name) for message in value]


def nonempty(text: str, name: str) -> str:
    """The text itself. Raises `ValueError` where it is blank, and where it is a list of messages that was printed."""
    if not text.strip():
        raise ValueError(f"{name} is empty")
    if _DUMPED.fullmatch(text):
        raise ValueError(
            f"{name} is a text that holds messages as JSON or as Python prints them, {text.strip()[:40]!r}: it must be "
            "the list itself (json.loads, ast.literal_eval), which .jsonl and .parquet keep and .csv does not"
        )
    return text


def _message(message: Any, name: str) -> Message:
    if not isinstance(message, dict):
        raise _no_message(message, name)
    for call in CALLS:
        if message.get(call):
            raise ValueError(f"{name} has a message with {call}, and calls of tools can't be trained on here")
    role, content = message.get("role"), message.get("content")
    if role is None and message.get("from") is not None:
        role = _role(message["from"], name)
    if content is None:
        content = message.get("value")
    if isinstance(content, list):
        content = "".join(_part(part, name) for part in content)
    if not isinstance(role, str) or not isinstance(content, str):
        raise _no_message(message, name)
    return {"role": role, "content": content}


def _role(speaker: Any, name: str) -> str:
    if not isinstance(speaker, str) or speaker.lower() not in SPEAKERS:
        raise ValueError(f"{name} has a message from {speaker!r}; known are {', '.join(SPEAKERS)}")
    return SPEAKERS[speaker.lower()]


def _part(part: Any, name: str) -> str:
    """The text of one part of a content."""
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    if kind != "text":
        raise ValueError(f"{name} has a part of the type {kind!r} in a message, and only text can be trained on here")
    if not isinstance(part.get("text"), str):
        raise ValueError(f"{name} has a part of the type 'text' without a text, got {part!r:.80}")
    return str(part["text"])


def _no_message(message: Any, name: str) -> ValueError:
    return ValueError(f"{name} must hold messages with a text for role and for content, got {message!r:.80}")
