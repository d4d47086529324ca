"""The formats of tables, in order: the first one that a table's columns fit is how its rows are read.

Where the names of the columns alone do not decide, a format looks at the values (`Format.fits`). `register_format` adds
a format.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grao_ref.data import gsm8k, hh, parsers
from grao_ref.data.parts import Parse
from grao_ref.plugins.near import nearest

Entries = Sequence[Mapping[str, Any]]


IN_PROMPTS = ("image", "images", "tools", "chat_template_kwargs")
"""Columns that change a prompt in TRL, and are not read here."""


def _always(names: Sequence[str], entries: Entries) -> bool:
    return True


@dataclass(frozen=True)
class Format:
    """One layout of columns."""

    columns: tuple[str, ...]  # a table of this format has them all
    parse: Parse  # gets their values in this order, and the values of `optional` by name
    optional: tuple[str, ...] = ()  # read too, where the table has them
    fits: Callable[[Sequence[str], Entries], bool] = _always  # names of the table's columns, its rows
    kept: tuple[str, ...] = ()  # columns of the format that reward functions may ask for as well
    about: str = ""  # what the values are, in a list of formats
    listed: bool = True  # whether it can be read
    contract: bool = False  # columns that mean the same in TRL, and can't be given another meaning
    registered: bool = False  # a user's own (`register_format`)

    def __str__(self) -> str:
        return " + ".join(self.columns) + (f" ({self.about})" if self.about else "")


def _worked(names: Sequence[str], entries: Entries) -> bool:
    """Whether most answers end as GSM8K's do, in `#### 72`."""
    return sum(gsm8k.is_worked(entry.get("answer")) for entry in entries) * 2 > len(entries)


def _transcripts_or_messages(names: Sequence[str], entries: Entries) -> bool:
    """Whether chosen and rejected hold their prompts: they are lists, or texts with HH's mark of an answer."""
    return any(
        not isinstance(value, str) or hh.ANSWER in value
        for entry in entries
        for value in (entry.get("chosen"), entry.get("rejected"))
    )


def _labels(names: Sequence[str], entries: Entries) -> bool:
    return all(isinstance(entry.get("label"), bool) for entry in entries)


def _nothing_but_a_prompt(names: Sequence[str], entries: Entries) -> bool:
    return not {"completion", "chosen", "rejected"} & set(names)


SYSTEM = ("system",)
FORMATS: list[Format] = [
    Format(("prompt", "completion", "label"), parsers.labelled, fits=_labels, listed=False),
    Format(("prompt", "completions", "labels"), parsers.stepwise, listed=False),
    Format(("prompt", "completion"), parsers.completion, contract=True),
    Format(("prompt", "chosen", "rejected"), parsers.preference, contract=True),
    Format(("question", "chosen", "rejected"), parsers.asked_pair, SYSTEM, kept=("question", "system"), about="Orca"),
    Format(
        ("chosen", "rejected"),
        parsers.pair,
        fits=_transcripts_or_messages,
        about="conversations or HH's transcripts",
        contract=True,
    ),
    Format(("messages",), parsers.conversation, SYSTEM, kept=SYSTEM),
    Format(("conversations",), parsers.conversation, SYSTEM, kept=SYSTEM, about="ShareGPT"),
    Format(("conversation",), parsers.conversation, SYSTEM, kept=SYSTEM),
    Format(("prompt",), parsers.prompt_only, fits=_nothing_but_a_prompt, about="no reference"),
    Format(("question", "answer"), parsers.worked, fits=_worked, kept=("question", "answer"), about="GSM8K"),
    Format(("question", "answer"), parsers.question, SYSTEM, kept=("question", "answer", "system")),
    Format(
        ("instruction", "output"),
        parsers.instruction,
        ("input", "system", "history"),
        kept=("instruction", "output", "input", "system", "history"),
        about="Alpaca",
    ),
    Format(("text",), parsers.whole_text, about="whole texts"),
]
MEANT = {  # column of a format -> what others call it
    "prompt": ("question", "query", "problem", "instruction", "input", "prompts", "user", "goal"),
    "completion": ("response", "output", "completions", "target", "reference", "solution", "answer", "assistant"),
    "chosen": ("chosen_response", "preferred", "accepted", "winner", "response_chosen", "answer_chosen", "better"),
    "rejected": ("rejected_response", "dispreferred", "loser", "response_rejected", "answer_rejected", "worse"),
    "question": ("query", "problem", "instruction", "input"),
    "answer": ("response", "output", "completion", "target", "solution"),
    "instruction": ("question", "query", "problem"),
    "output": ("response", "answer", "completion", "target"),
    "input": ("context",),
    "messages": ("chat", "dialogue", "dialog", "turns", "conversation_messages"),
    "system": ("system_prompt", "system_message"),
    "text": ("content", "document", "texts", "story"),
}


def format_of(names: Sequence[str], entries: Entries, source: str) -> Format:
    """The first format that a table with these columns and rows has.

    Raises `ValueError` where there is none, with the columns that were found, those that can be read, and the renaming
    that would lead to one of them.
    """
    for form in FORMATS:
        if set(form.columns) <= set(names) and form.fits(names, entries):
            return form
    known = "; ".join(str(form) for form in FORMATS if form.listed)
    raise ValueError(
        f"{source} has the columns {', '.join(names) or '(none)'}; expected one of: {known}. {_advice(names, entries)}"
    )


def register_format(columns: Sequence[str], parse: Parse) -> None:
    """Read tables that have these columns with `parse`, in every command and before the formats known so far.

    `parse` gets a row's values of the columns, in their order, and returns (prompt, reference, rejected answer or None,
    new columns). It raises `ValueError` on values it can't use; the message is shown with the row's number. The table's
    other columns are kept for the reward functions. Raises `ValueError` on columns that are registered already, or
    that are one of TRL's formats (prompt + completion, and the preferences).
    """
    name = " + ".join(columns)
    if not columns or isinstance(columns, str):
        raise ValueError(f"a format needs the names of its columns, got {columns!r}")
    if any(set(known.columns) == set(columns) and (known.contract or known.registered) for known in FORMATS):
        raise ValueError(f"the format {name} is taken; it can't be registered again")
    FORMATS.insert(0, Format(tuple(columns), parse, registered=True))


def _advice(names: Sequence[str], entries: Entries) -> str:
    """The renaming that makes a table readable: the one by which most columns are read, with the fewest renamed."""
    best: tuple[tuple[int, int], str] | None = None
    for form in FORMATS:
        moves = _moves(form.columns, names)
        if not form.listed or not moves:  # it has the columns and does not fit, or it lacks one
            continue
        moves |= _moves(form.optional, [name for name in names if name not in moves.values()], strict=False) or {}
        renamed = [name for name in names if name not in moves.values()] + list(moves)
        looked_at = [{**entry, **{new: entry.get(old) for new, old in moves.items()}} for entry in entries[:100]]
        rank = (-sum(name in renamed for name in (*form.columns, *form.optional)), len(moves))
        if form.fits(renamed, looked_at) and (best is None or rank < best[0]):
            best = rank, f"`--column {' '.join(f'{new}={old}' for new, old in moves.items())}` reads it as {form}"
    return best[1] if best else "`--column prompt=NAME completion=NAME` says which column is which"


def _moves(wanted: Sequence[str], names: Sequence[str], *, strict: bool = True) -> dict[str, str] | None:
    """New name -> column, for the wanted names that are missing; `strict`: None where one has no counterpart."""
    moves: dict[str, str] = {}
    for name in (name for name in wanted if name not in names):
        free = [other for other in names if other not in moves.values() and other not in wanted]
        found = next((other for other in MEANT.get(name, ()) if other in free), None)
        found = found or (nearest(name, free) if strict else None)
        if found is not None:
            moves[name] = found
        elif strict:
            return None
    return moves
