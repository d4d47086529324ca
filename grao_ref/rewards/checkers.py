"""Rewards by a rule: the same text, or the same last number. There is no partial credit."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from grao_ref.text.messages import Completion, answer_text

# A minus belongs to the number unless it directly follows other text (10-5) or a blank follows it (10 - 5).
_NUMBER = re.compile(
    r"(?P<minus>(?<![0-9A-Za-z_)\].])[-−])?\$?"
    r"(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![0-9.])\.[0-9]+)"
)


def exact(
    completions: Sequence[Completion],
    references: Sequence[str] | None = None,
    solution: Sequence[Any] | None = None,
    answer: Sequence[Any] | None = None,
) -> list[float | None]:
    """1 where the completion is the right answer, blanks around both aside, else 0.

    The right answer is column `solution`, or else column `answer`, or else the reference. Where the column holds None,
    the completion can't be scored. Raises `ValueError` where there is none of the three.
    """
    right = next((column for column in (solution, answer, references) if column is not None), None)
    if right is None:
        raise ValueError("exact compares with a column solution or answer, or with references, and there is none")
    return [
        None if wanted is None else float(answer_text(completion).strip() == str(wanted).strip())
        for completion, wanted in zip(completions, right, strict=True)
    ]


def final_number(completions: Sequence[Completion], solution: Sequence[Any]) -> list[float | None]:
    """1 where the completion's last number is the solution's (GSM8K), else 0; no number is 0.

    1,000 and $1000.00 and 1000. are the same number; `solution` may be a number, or text that ends in one (#### 42).
    A solution without a number can't be compared with: None.
    """
    right = [last_number(str(wanted)) for wanted in solution]
    return [
        None if wanted is None else float(last_number(answer_text(completion)) == wanted)
        for completion, wanted in zip(completions, right, strict=True)
    ]


def last_number(text: str) -> Decimal | None:
    """The last number in a text, exactly.

    >>> last_number("10 - 4 = 6, so she pays -$1,006.50.")
    Decimal('-1006.50')
    """
    found = list(_NUMBER.finditer(text))[-1:]
    if not found:
        return None
    number = Decimal(found[0]["digits"].replace(",", ""))
    return -number if found[0]["minus"] else number
