"""Small tables in the layouts in which data sets are published, all made up here, and the rows that they hold.

Each layout has a function of n: the n-th entry of a table, and what it has to be read as.
"""

from collections.abc import Callable
from typing import Any

from grao_ref.data.rows import Row

Entry = dict[str, Any]
LETTERS = "abcdefgh"


def user(words: str) -> dict[str, str]:
    return {"role": "user", "content": words}


def assistant(words: str) -> dict[str, str]:
    return {"role": "assistant", "content": words}


def system(words: str) -> dict[str, str]:
    return {"role": "system", "content": words}


def parts(words: str) -> list[dict[str, str]]:
    """A content as vision templates have it, in two parts where there are two letters."""
    return [{"type": "text", "text": piece} for piece in (words[:1], words[1:]) if piece]


def completion(n: int) -> tuple[Entry, Row]:
    return {"prompt": f"{n}?", "completion": f" {n}"}, Row(f"{n}?", f" {n}")


def messages(n: int) -> tuple[Entry, Row]:
    """UltraChat: beside the conversation stand its first question and an id."""
    talk = [user(f"Say {n}"), assistant("Why?"), user("Please."), assistant(f"{n}")]
    return {"prompt": f"Say {n}", "prompt_id": n, "messages": talk}, Row(talk[:3], f"{n}")


def messages_with_other_keys(n: int) -> tuple[Entry, Row]:
    talk = [user(f"Say {n}") | {"name": "ann"}, assistant(f"{n}") | {"weight": 1, "tool_calls": None}]
    return {"messages": talk}, Row([user(f"Say {n}")], f"{n}")


def content_parts(n: int) -> tuple[Entry, Row]:
    asked, told = {"role": "user", "content": parts(f"Q{n}")}, {"role": "assistant", "content": parts(f"A{n}")}
    return {"prompt": [asked], "completion": [told]}, Row([user(f"Q{n}")], f"A{n}")


def sharegpt(n: int) -> tuple[Entry, Row]:
    """OpenHermes: with a system prompt in the conversation, and keys of its own."""
    turns = [("system", "Be brief."), ("human", f"Say {n}"), ("gpt", f"{n}")]
    talk = [{"from": who, "value": words, "weight": None} for who, words in turns]
    return {"conversations": talk, "source": "made up"}, Row([system("Be brief."), user(f"Say {n}")], f"{n}")


def sharegpt_with_a_system_column(n: int) -> tuple[Entry, Row]:
    talk = [{"from": "user", "value": f"Say {n}"}, {"from": "chatgpt", "value": f"{n}"}]
    return {"system": "Be brief.", "conversations": talk}, Row([system("Be brief."), user(f"Say {n}")], f"{n}")


def conversation(n: int) -> tuple[Entry, Row]:
    return {"conversation": [user(f"Say {n}"), assistant(f"{n}")], "language": "en"}, Row([user(f"Say {n}")], f"{n}")


def ultrafeedback(n: int) -> tuple[Entry, Row]:
    """A text prompt and whole conversations, with the chosen one a third time under `messages`."""
    chosen, rejected = [user(f"Why {n}?"), assistant(f"So {n}")], [user(f"Why {n}?"), assistant("No.")]
    entry = {"prompt": f"Why {n}?", "chosen": chosen, "rejected": rejected, "messages": chosen, "score_chosen": 8.0}
    return entry, Row([user(f"Why {n}?")], f"So {n}", "No.")


def ultrafeedback_in_turns(n: int) -> tuple[Entry, Row]:
    """The text is the first question of a longer conversation with a system prompt."""
    head = [system("Be kind."), user(f"Why {n}?"), assistant("Guess."), user("Tell me.")]
    entry = {"prompt": f"Why {n}?", "chosen": [*head, assistant("So it is.")], "rejected": [*head, assistant("No.")]}
    return entry, Row(head, "So it is.", "No.")


def conversational_pairs(n: int) -> tuple[Entry, Row]:
    prompt = [user(f"Why {n}?")]
    return {"prompt": prompt, "chosen": [assistant("So it is.")], "rejected": [assistant("No.")]}, Row(
        prompt, "So it is.", "No."
    )


def whole_pairs(n: int) -> tuple[Entry, Row]:
    """The prompt as messages, and once more in each answer."""
    prompt = [user(f"Why {n}?")]
    entry = {"prompt": prompt, "chosen": [*prompt, assistant("So it is.")], "rejected": [*prompt, assistant("No.")]}
    return entry, Row(prompt, "So it is.", "No.")


def whole_completion(n: int) -> tuple[Entry, Row]:
    prompt = [user(f"Why {n}?")]
    return {"prompt": f"Why {n}?", "completion": [*prompt, assistant("So it is.")]}, Row(prompt, "So it is.")


def transcripts(n: int) -> tuple[Entry, Row]:
    start = f"\n\nHuman: Why {n}?\n\nAssistant:"
    return {"chosen": f"{start} So it is.", "rejected": f"{start} No."}, Row([user(f"Why {n}?")], "So it is.", "No.")


def hh_as_messages(n: int) -> tuple[Entry, Row]:
    head = [user("Hello."), assistant("Hi."), user(f"Why {n}?")]
    return {"chosen": [*head, assistant("So it is.")], "rejected": [*head, assistant("No.")]}, Row(
        head, "So it is.", "No."
    )


def orca(n: int) -> tuple[Entry, Row]:
    entry = {"system": "Be brief.", "question": f"Why {n}?", "chosen": "So it is.", "rejected": "No."}
    return entry, Row([system("Be brief."), user(f"Why {n}?")], "So it is.", "No.")


def orca_without_a_system_prompt(n: int) -> tuple[Entry, Row]:
    entry = {"system": "", "question": f"Why {n}?", "chosen": "So it is.", "rejected": "No."}
    return entry, Row([user(f"Why {n}?")], "So it is.", "No.")


def alpaca(n: int) -> tuple[Entry, Row]:
    """Every second row has an input; `text` repeats the row in a template of Alpaca's."""
    given = f"{n} and {n}" if n % 2 else ""
    entry = {"instruction": "Add.", "input": given, "output": f"{2 * n}", "text": "Below is an instruction ..."}
    return entry, Row([user(f"Add.\n\n{given}" if given else "Add.")], f"{2 * n}")


def alpaca_in_turns(n: int) -> tuple[Entry, Row]:
    entry = {"instruction": "And now?", "output": f"{n}", "system": "Count.", "history": [["Begin.", "0"]]}
    return entry, Row([system("Count."), user("Begin."), assistant("0"), user("And now?")], f"{n}")


def worked(n: int) -> tuple[Entry, Row]:
    entry = {"question": f"{n} + 1?", "answer": f"{n} + 1 = <<{n}+1={n + 1}>>{n + 1}\n#### {n + 1}"}
    return entry, Row([user(f"{n} + 1?")], f"{n} + 1 = {n + 1}\n#### {n + 1}")


def questions(n: int) -> tuple[Entry, Row]:
    return {"question": f"{n} + 1?", "answer": f"It is {n + 1}."}, Row([user(f"{n} + 1?")], f"It is {n + 1}.")


def questions_with_headings(n: int) -> tuple[Entry, Row]:
    """Markdown's headings of the fourth level, which have GSM8K's mark."""
    answer = f"#### Step 1\nAdd 1.\n#### Step 2\nIt is {n + 1}."
    return {"question": f"{n} + 1?", "answer": answer}, Row([user(f"{n} + 1?")], answer)


def whole_texts(n: int) -> tuple[Entry, Row]:
    return {"text": f"Once there were {n}.", "label": 0}, Row("", f"Once there were {n}.")


def prompts(n: int) -> tuple[Entry, Row]:
    """TRL's quickstart: a conversational prompt and its solution."""
    return {"prompt": [user(f"{n} + 1?")], "solution": f"{n + 1}"}, Row([user(f"{n} + 1?")], None)


def prompts_beside_others(n: int) -> tuple[Entry, Row]:
    """What a map over a table leaves: the prompt that it made, and the columns that it was made from."""
    entry = {"question": f"{n} + 1?", "answer": f"{n + 1}", "prompt": [user(f"Think. {n} + 1?")]}
    return entry, Row([user(f"Think. {n} + 1?")], None)


LAYOUTS: list[Callable[[int], tuple[Entry, Row]]] = [
    completion, messages, messages_with_other_keys, content_parts, sharegpt, sharegpt_with_a_system_column,
    conversation, ultrafeedback, ultrafeedback_in_turns, conversational_pairs, whole_pairs, whole_completion,
    transcripts, hh_as_messages, orca, orca_without_a_system_prompt, alpaca, alpaca_in_turns, worked, questions,
    questions_with_headings, whole_texts, prompts, prompts_beside_others,
]  # fmt: skip


def table(layout: Callable[[int], tuple[Entry, Row]], count: int = 4) -> list[Entry]:
    """The first rows of a layout."""
    return [layout(n)[0] for n in range(count)]
