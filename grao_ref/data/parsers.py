"""The values of a format's columns as the parts of a row: one function for each format (`formats.py`).

`ValueError` on a value of the wrong kind; the caller adds the row's number and its file. `OddRowError` on a row of
published data that has no answer, of which a few are found in most large data sets.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from grao_ref.data import gsm8k, hh
from grao_ref.data.parts import WHOLE, OddRowError, Parts
from grao_ref.text.messages import Message, Prompt, answer_of, messages_of, nonempty, prompt_of


def completion(prompt: Any, completion: Any) -> Parts:
    """TRL's prompt and completion. y is the completion."""
    asked, (answer,) = _answered(prompt, {"completion": completion})
    return asked, answer, None, {}


def preference(prompt: Any, chosen: Any, rejected: Any) -> Parts:
    """TRL's preferences, or UltraFeedback's: a text and two whole conversations. y is the chosen answer."""
    asked, (first, second) = _answered(prompt, {"chosen": chosen, "rejected": rejected})
    return asked, first, second, {}


def pair(chosen: Any, rejected: Any) -> Parts:
    """HH-RLHF's transcripts, or TRL's implicit prompt: two conversations that differ in their last message only."""
    texts = isinstance(chosen, str), isinstance(rejected, str)
    if all(texts):
        return *hh.pair(chosen, rejected), {}
    if any(texts):
        raise ValueError("chosen and rejected must both be transcripts or both lists of messages")
    head, (first, second) = _whole({"chosen": chosen, "rejected": rejected})
    return prompt_of(head), first, second, {}


def asked_pair(question: Any, chosen: Any, rejected: Any, *, system: Any = None) -> Parts:
    """Orca's preferences: a question, perhaps a system prompt, and two answers. y is the chosen one."""
    asked, (first, second) = _answered(_asked(question, system), {"chosen": chosen, "rejected": rejected})
    return asked, first, second, {}


def conversation(messages: Any, *, system: Any = None) -> Parts:
    """A conversation. y is the assistant's last turn, the turns before it are the prompt.

    Earlier turns of the assistant are in the prompt and not trained on. Turns behind the last one of the assistant,
    which nobody answered, are dropped. `system`: a system prompt, for a conversation that does not have its own.
    """
    if not isinstance(messages, list):
        if isinstance(messages, str):
            nonempty(messages, "the conversation")
        raise ValueError(f"the conversation must be a list of messages, got {type(messages).__name__}")
    talk = messages_of(messages, "the conversation") if messages else []
    if not any(message["role"] == "system" for message in talk):
        talk = [*_told(system), *talk]
    places = [place for place, message in enumerate(talk) if message["role"] == "assistant"]
    if not places:
        roles = ", ".join(dict.fromkeys(message["role"] for message in talk)) or "none"
        roles = roles.encode(errors="backslashreplace").decode()  # half a character can't be printed
        raise OddRowError(f"the conversation has no turn of the assistant (its roles: {roles})")
    prompt, answer = talk[: places[-1]], talk[places[-1]]["content"]
    if not any(message["content"].strip() for message in prompt):
        raise OddRowError("the conversation has nothing before the assistant's last turn")
    return prompt, _given(answer, "the assistant's last turn"), None, {}


def question(question: Any, answer: Any, *, system: Any = None) -> Parts:
    """A question, as a message of the user, and its answer y."""
    return _asked(question, system), _given(_text(answer, "answer"), "answer"), None, {}


def worked(question: Any, answer: Any) -> Parts:
    """GSM8K's question and worked answer y. The final number becomes the column `solution`."""
    prompt, solution = _asked(question), gsm8k.solution_of(nonempty(_text(answer, "answer"), "answer"))
    return prompt, gsm8k.worked_answer(answer), None, {"solution": solution}


def instruction(instruction: Any, output: Any, *, input: Any = None, system: Any = None, history: Any = None) -> Parts:
    r"""Alpaca's instruction, its input behind a blank line where it is not empty, and the output y.

    `history`: earlier turns, a list of pairs [instruction, output].

    >>> instruction("Add.", "3", input="1 2")
    ([{'role': 'user', 'content': 'Add.\n\n1 2'}], '3', None, {})
    """
    texts = [_text(part, name) for name, part in {"instruction": instruction, "input": input}.items() if part]
    earlier: list[Message] = []
    for turn in history or ():
        if not isinstance(turn, Sequence) or isinstance(turn, str) or len(turn) != 2:
            raise ValueError(f"history must hold pairs [instruction, output], got {turn!r:.80}")
        earlier += [
            {"role": role, "content": _text(words, "history")}
            for role, words in zip(("user", "assistant"), turn, strict=True)
        ]
    asked = nonempty("\n\n".join(text for text in texts if text.strip()), "instruction")
    prompt = [*_told(system), *earlier, {"role": "user", "content": asked}]
    return prompt, _given(_text(output, "output"), "output"), None, {}


def whole_text(text: Any) -> Parts:
    """A text that is trained on as a whole, with no prompt (`WHOLE`): y is the text."""
    return WHOLE, _given(_text(text, "text"), "text"), None, {}


def prompt_only(prompt: Any) -> Parts:
    """A prompt without a reference, for methods that need none."""
    return prompt_of(prompt), None, None, {}


def labelled(prompt: Any, completion: Any, label: Any) -> Parts:
    """TRL's unpaired preferences, which have no counterpart here: `ValueError`."""
    raise ValueError(
        "label is true for good completions and false for bad ones, and y must be a good one: keep the rows where it "
        "is true and remove the column (or, if it means something else, rename it: --column kind=label)"
    )


def stepwise(prompt: Any, completions: Any, labels: Any) -> Parts:
    """TRL's stepwise supervision, which has no counterpart here: `ValueError`."""
    raise ValueError(
        "labels are of an answer's steps, and a reward here is one number for a whole answer: join the steps of good "
        "answers into a column completion, and remove the other two"
    )


def _answered(prompt: Any, answers: Mapping[str, Any]) -> tuple[Prompt, list[str]]:
    """(prompt, answers): each answer is a text, a list of one message, or a whole conversation that has the prompt."""
    asked = prompt_of(prompt)
    if not all(isinstance(answer, list) and len(answer) > 1 for answer in answers.values()):
        return asked, [answer_of(answer, name) for name, answer in answers.items()]
    if all(_role(answer[0]) == "assistant" for answer in answers.values()):  # several turns, which are no answer
        return asked, [answer_of(answer, name) for name, answer in answers.items()]
    head, texts = _whole(answers)
    if isinstance(asked, str):
        held = any(message["role"] == "user" and message["content"].strip() == asked.strip() for message in head)
    else:
        held = asked in (head, [message for message in head if message["role"] != "system"])
    if not held:
        alone = "other=prompt" if len(answers) > 1 else f"other=prompt messages={next(iter(answers))}"
        raise ValueError(
            f"the whole conversation in {' and '.join(answers)} does not have the prompt among its messages; "
            f"--column {alone} reads the conversation without it"
        )
    return head, texts


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None


def _whole(conversations: Mapping[str, Any]) -> tuple[list[Message], list[str]]:
    """(what they share, the last message of each): conversations that differ in their last message only."""
    told = {name: messages_of(value, name) for name, value in conversations.items()}
    names, heads = " and ".join(told), [messages[:-1] for messages in told.values()]
    if any(head != heads[0] for head in heads):
        raise ValueError(f"{names} must share all messages but the last")
    if not heads[0]:
        raise ValueError(f"{names} must hold the prompt's messages before the answer, got one message each")
    for name, messages in told.items():
        if messages[-1]["role"] != "assistant":
            raise ValueError(f"{name} must end in a message of the assistant, got one of: {messages[-1]['role']}")
        _given(messages[-1]["content"], f"the last message of {name}")
    return heads[0], [messages[-1]["content"] for messages in told.values()]


def _asked(question: Any, system: Any = None) -> list[Message]:
    return [*_told(system), {"role": "user", "content": nonempty(_text(question, "question"), "question")}]


def _told(system: Any) -> list[Message]:
    """The system prompt as a message; no message where it is missing or blank."""
    if system is None or not _text(system, "system").strip():
        return []
    return [{"role": "system", "content": system}]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {type(value).__name__}")
    return value


def _given(answer: str, name: str) -> str:
    if not answer.strip():
        raise OddRowError(f"{name} is empty")
    return answer
