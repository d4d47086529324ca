"""Rows: a prompt, its reference y, perhaps a rejected answer, and the columns that reward functions read.

`FORMATS` are the formats of tables; `register_format` adds one.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grao_ref.data import gsm8k, hh
from grao_ref.text.messages import Prompt, answer_of, implicit_prompt, nonempty, prompt_of


@dataclass(frozen=True)
class Row:
    """One prompt with its reference."""

    prompt: Prompt  # conversational where the data set is, else text
    reference: str  # y: `completion`, or `chosen`
    rejected: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)  # every other column, for the reward functions
    number: int = 0  # its number in its own file, from 1; 0: unknown


class Rows(list[Row]):
    """A list of rows. `skipped` names the rows of the data set that were left out, with the reason: `row 17: ...`."""

    def __init__(self, rows: Iterable[Row] = (), skipped: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self.skipped = tuple(skipped)


def rows_of(table: Iterable[dict[str, Any]], source: str) -> Rows:
    """The rows of a table, in its order. Its columns decide which format it has (`FORMATS`).

    Pairs of transcripts that can't be a row (`hh.pair`) are left out and named in `skipped`, because a few of 100,000
    dialogues may be broken. Nothing else is left out. Raises `ValueError` naming the row on a wrong type, an empty
    prompt or an empty answer, and naming the source on unknown columns and an empty table.
    """
    table = list(table)
    names = list(dict.fromkeys(name for entry in table for name in entry))
    if not table:
        raise ValueError(f"{source} is empty: it has no rows")
    used = next((columns for columns in FORMATS if set(columns) <= set(names)), None)
    if used is None:
        formats = "; ".join(" + ".join(columns) for columns in FORMATS)
        raise ValueError(f"{source} has the columns {', '.join(names) or '(none)'}; expected one of: {formats}")
    rows, skipped = [], []
    for number, entry in enumerate(table, start=1):
        try:
            for name in used:
                if name not in entry:
                    raise ValueError(f"no column {name!r}")
            prompt, reference, rejected, found = FORMATS[used](*(entry[name] for name in used))
        except hh.OddTranscriptError as odd:
            skipped.append(f"row {number}: {odd}")
            continue
        except ValueError as error:
            raise ValueError(f"row {number} of {source}: {error}") from None
        others = {name: entry.get(name) for name in names if name not in used}
        rows.append(Row(prompt, reference, rejected, found | others))
    if not rows:
        raise ValueError(f"{source} has no row that can be used; {skipped[0]}")
    return Rows(rows, skipped)


Parts = tuple[Prompt, str, str | None, dict[str, Any]]  # prompt, reference, rejected answer, columns it makes
Parse = Callable[..., Parts]  # the values of a format's columns -> the parts of a row


def _completion(prompt: Any, completion: Any) -> Parts:
    return prompt_of(prompt), answer_of(completion, "completion"), None, {}


def _preference(prompt: Any, chosen: Any, rejected: Any) -> Parts:
    return prompt_of(prompt), answer_of(chosen, "chosen"), answer_of(rejected, "rejected"), {}


def _pair(chosen: Any, rejected: Any) -> Parts:
    texts = isinstance(chosen, str), isinstance(rejected, str)
    if any(texts) and not all(texts):
        raise ValueError("chosen and rejected must both be transcripts or both lists of messages")
    prompt, first, second = hh.pair(chosen, rejected) if all(texts) else implicit_prompt(chosen, rejected)
    return prompt_of(prompt), first, second, {}


def _worked(question: Any, answer: Any) -> Parts:
    for name, value in {"question": question, "answer": answer}.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text, got {type(value).__name__}")
    prompt: Prompt = [{"role": "user", "content": nonempty(question, "question")}]
    solution = gsm8k.solution_of(nonempty(answer, "answer"))
    return prompt, gsm8k.worked_answer(answer), None, {"solution": solution}


FORMATS: dict[tuple[str, ...], Parse] = {  # a table has the first format whose columns it has
    ("prompt", "completion"): _completion,
    ("prompt", "chosen", "rejected"): _preference,
    ("chosen", "rejected"): _pair,  # HH-RLHF's transcripts, or TRL's implicit prompt
    ("question", "answer"): _worked,  # GSM8K
}


def register_format(columns: Sequence[str], parse: Parse) -> None:
    """Read tables that have these columns with `parse`, in every command and before the formats known so far.

    `parse` gets a row's values of the columns, in their order, and returns (prompt, reference, rejected answer or None,
    new columns). It raises `ValueError` on values it can't use; the message is shown with the row's number. The table's
    other columns are kept for the reward functions. Raises `ValueError` on columns that are a format already.
    """
    name = " + ".join(columns)
    if not columns or isinstance(columns, str):
        raise ValueError(f"a format needs the names of its columns, got {columns!r}")
    if any(set(known) == set(columns) for known in FORMATS):
        raise ValueError(f"the format {name} is taken; it can't be registered again")
    known = dict(FORMATS)
    FORMATS.clear()
    FORMATS.update({tuple(columns): parse} | known)


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The rows' other columns, as reward functions get them: one list for each column."""
    return {name: [row.columns.get(name) for row in rows] for name in rows[0].columns}


def apart(rows: Sequence[Row], test: Sequence[Row]) -> list[Row]:
    """The rows whose prompt is in none of the test rows, in their order."""
    seen = {_key(row) for row in test}
    return [row for row in rows if _key(row) not in seen]


def split_by_prompt(rows: Sequence[Row], *, share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(train, held out): a `share` of the different prompts is held out with all their rows; the order stays.

    Which prompts are held out depends on the prompts and the seed, not on their order. Raises `ValueError` unless
    0 <= share < 1 and, for a share above 0, there are two prompts: then neither side is empty.
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


def _key(row: Row) -> str:
    """A text that two rows share if and only if their prompts are equal."""
    return json.dumps(row.prompt, sort_keys=True)
