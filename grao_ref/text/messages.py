"""Prompts and answers as TRL writes them: text, or a list of messages with a role and a content."""

from typing import Any

Message = dict[str, str]  # {"role": ..., "content": ...}
Prompt = str | list[Message]
Completion = str | list[Message]


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
    """A checked list of messages; only `role` and `content` are kept. Raises `ValueError` otherwise."""
    if not isinstance(value, list):
        raise ValueError(f"{name} must be text or a list of messages, got {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} is empty")
    for message in value:
        if not isinstance(message, dict) or not all(isinstance(message.get(key), str) for key in ("role", "content")):
            raise ValueError(f"{name} must hold messages with a text for role and for content, got {message!r:.80}")
    return [{"role": message["role"], "content": message["content"]} for message in value]


def implicit_prompt(chosen: Any, rejected: Any) -> tuple[list[Message], str, str]:
    """(prompt, chosen answer, rejected answer) of two conversations that differ only in their last message."""
    conversations = {"chosen": messages_of(chosen, "chosen"), "rejected": messages_of(rejected, "rejected")}
    prompt, other = (messages[:-1] for messages in conversations.values())
    if prompt != other:
        raise ValueError("chosen and rejected must share all messages but the last")
    if not prompt:
        raise ValueError("chosen and rejected must hold the prompt's messages before the answer, got one message each")
    first, second = (answer_of(messages[-1:], name) for name, messages in conversations.items())
    return prompt, first, second


def nonempty(text: str, name: str) -> str:
    """The text itself. Raises `ValueError` where it is blank."""
    if not text.strip():
        raise ValueError(f"{name} is empty")
    return text
