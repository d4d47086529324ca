"""Rows: a prompt, its reference y, perhaps a rejected answer, and the columns that reward functions read."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grao_ref.data.columns import renamed
from grao_ref.data.formats import FORMATS as FORMATS
from grao_ref.data.formats import IN_PROMPTS, Format, format_of
from grao_ref.data.formats import register_format as register_format
from grao_ref.data.parts import WHOLE, OddRowError, Parts
from grao_ref.data.tables import Table
from grao_ref.data.values import require_characters, require_names, require_shallow, require_writable
from grao_ref.text.messages import Prompt


@dataclass(frozen=True)
class Row:
    """One prompt with its reference."""

    prompt: Prompt  # conversational where the data set is, else text; "" in a row that is one whole text
    reference: str | None  # y: `completion`, or `chosen`; None in a row that is a prompt alone
    rejected: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)  # every other column, for the reward functions
    number: int = field(default=0, compare=False)  # its number in its own file (`tables.py`), from 1; 0: unknown


class Rows(list[Row]):
    """A list of rows. `skipped` names the rows of the data set that were left out, with the reason: `row 17: ...`."""

    def __init__(self, rows: Iterable[Row] = (), skipped: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self.skipped = tuple(skipped)


def rows_of(table: Table | Iterable[dict[str, Any]], source: str, *, column: Sequence[str] = ()) -> Rows:
    """The rows of a table, in its order. Its columns decide which format it has (`formats.py`).

    `table`: one that was read from files, or dictionaries, which are numbered from 1. `column`: settings
    `prompt=question` that give columns the names that a format needs. Rows of published data without an answer
    (`OddRowError`) are left out and named in `skipped`, because a few of 100,000 dialogues may be broken. Nothing else
    is left out. Raises `ValueError` naming the row on a wrong type, an empty prompt or an empty answer, and naming the
    source on unknown columns and an empty table.
    """
    if not isinstance(table, Table):
        entries = list(table)
        table = Table(entries, range(1, len(entries) + 1), [source] * len(entries))
    if not table.entries:
        raise ValueError(f"{source} is empty: it has no rows")
    require_names(dict.fromkeys(name for entry in table.entries for name in entry))
    table = renamed(table, column, source)
    names = list(dict.fromkeys(name for entry in table.entries for name in entry))
    form = format_of(names, table.entries, source)
    others = [name for name in names if name not in (*form.columns, *form.optional) or name in form.kept]
    several = len(set(table.files)) > 1
    rows, skipped = [], []
    for entry, number, file in zip(table.entries, table.numbers, table.files, strict=True):
        try:
            require_shallow(entry)
            prompt, reference, rejected, found = _parts(form, entry)
            columns = found | {name: entry.get(name) for name in others}
            require_writable(columns)
        except OddRowError as odd:
            skipped.append(f"row {number}{f' of {file}' if several else ''}: {odd}")
            continue
        except ValueError as error:
            raise ValueError(f"row {number} of {file}: {error}") from None
        rows.append(Row(prompt, reference, rejected, columns, number))
    if not rows:
        raise ValueError(f"{source} has no row that can be used; {skipped[0]}")
    return Rows(rows, skipped)


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The rows' other columns, as reward functions get them: one list for each column."""
    return {name: [row.columns.get(name) for row in rows] for name in rows[0].columns}


def left_out(*parts: Sequence[Row]) -> str:
    """What the log says of the rows that were left out: `, 3 left out (row 17: ...; ...)`; nothing where none was."""
    skipped = [reason for rows in parts for reason in getattr(rows, "skipped", ())]
    if not skipped:
        return ""
    return f", {len(skipped):,} left out ({skipped[0]}{', and others' if len(skipped) > 1 else ''})"


def apart(rows: Sequence[Row], test: Sequence[Row]) -> Rows:
    """The rows whose prompt is in none of the test rows, in their order; the others are named in `skipped`."""
    seen, left, skipped = {_key(row) for row in test}, [], list(getattr(rows, "skipped", ()))
    for row in rows:
        if _key(row) in seen:
            skipped.append(f"row {row.number}: its prompt is in the test set")
        else:
            left.append(row)
    return Rows(left, skipped)


def split_by_prompt(rows: Sequence[Row], *, share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(train, held out): a `share` of the different prompts is held out with all their rows; the order stays.

    Which prompts are held out depends on the prompts and the seed, not on their order. A row that is one whole text is
    held out by its text. Raises `ValueError` unless 0 <= share < 1 and, for a share above 0, there are two prompts:
    then neither side is empty.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be a number from 0 to below 1, got {share!r}")
    keys = [_key(row) for row in rows]
    prompts = sorted(set(keys), key=lambda key: hashlib.sha256(f"{seed} {key}".encode()).digest())
    if share and len(prompts) < 2:
        raise ValueError(f"two different prompts are needed to hold some out, got {len(prompts)}")
    count = min(max(round(share * len(prompts)), 1), len(prompts) - 1) if share else 0
    held_out = set(prompts[:count])
    train = [row for row, key in zip(rows, keys, strict=True) if key not in held_out]
    return train, [row for row, key in zip(rows, keys, strict=True) if key in held_out]


def _parts(form: Format, entry: dict[str, Any]) -> Parts:
    """The parts of one row, in which every text can be written in UTF-8."""
    for name in form.columns:
        if name not in entry:
            raise ValueError(f"no column {name!r}")
    for name in () if form.registered else IN_PROMPTS:
        value = entry.get(name)
        if value is not None and value is not False and not (hasattr(value, "__len__") and len(value) == 0):
            raise ValueError(
                f"the column {name!r} is part of the prompt in TRL, and only text can be read here; "
                f"--column other_{name}={name} leaves it out of the prompt"
            )
    optional = {name: entry[name] for name in form.optional if name in entry}
    parts = form.parse(*(entry[name] for name in form.columns), **optional)
    prompt, *answers = parts[:3]
    turns = [prompt] if isinstance(prompt, str) else [text for message in prompt for text in message.values()]
    for name, texts in (("prompt", turns), ("reference", answers[:1]), ("rejected answer", answers[1:])):
        for text in texts:
            if text is not None:
                require_characters(text, name)
    return parts


def _key(row: Row) -> str:
    """A text that two rows share if and only if their prompts are equal (of whole texts: the texts)."""
    return json.dumps(row.reference if row.prompt == WHOLE else row.prompt, sort_keys=True)
