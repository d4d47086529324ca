"""Preference pairs as a model reads them, and which of them are too long for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from grao_ref.data.rows import Row
from grao_ref.rewards.text import encode_pair


@dataclass(frozen=True)
class Limits:
    """The most tokens of a prompt, the chat template's included, of an answer, and of both; None is no limit."""

    prompt: int | None = None
    completion: int | None = None
    together: int | None = None


@dataclass(frozen=True)
class Example:
    """A row and the tokens of its two answers, each with the prompt's."""

    row: Row
    chosen: tuple[list[int], list[int]]
    rejected: tuple[list[int], list[int]]


def select(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, limits: Limits
) -> tuple[list[Example], dict[str, int]]:
    """The pairs within the limits, and how many were left out for which reason.

    Raises `ValueError` on a row without a rejected answer.
    """
    counts = dict.fromkeys(["same answer twice", "an answer without a token", "too long", "used"], 0)
    used = []
    for number, row in enumerate(rows, start=1):
        if row.rejected is None:
            raise ValueError(f"row {number} has no rejected answer, and a head is fitted to pairs")
        chosen, rejected = (encode_pair(tokenizer, row.prompt, text) for text in (row.reference, row.rejected))
        if chosen == rejected:
            counts["same answer twice"] += 1
        elif not chosen[1] or not rejected[1]:
            counts["an answer without a token"] += 1
        elif _too_long(len(chosen[0]), max(len(chosen[1]), len(rejected[1])), limits):
            counts["too long"] += 1
        else:
            used.append(Example(row, chosen, rejected))
    counts["used"] = len(used)
    return used, counts


def _too_long(prompt: int, answer: int, limits: Limits) -> bool:
    lengths = ((prompt, limits.prompt), (answer, limits.completion), (prompt + answer, limits.together))
    return any(limit is not None and length > limit for length, limit in lengths)
