"""The reward of the sorting task: the share of the answer's positions that are right."""

from collections.abc import Sequence
from typing import Any

from grao_ref.text.messages import Completion, answer_text


def sorting(completions: Sequence[Completion], solution: Sequence[str], **columns: Any) -> list[float]:
    """(number of right digits + 1 where the answer ends right) / 6, for each completion.

    `solution`: the five digits in order. A digit is right where the solution has the same one at the same position. The
    end is right where the text has exactly as many characters as the solution. A text does not tell whether the model
    ended it, so the limit of tokens has to be above five: then an answer of five characters ended by itself.

    >>> sorting(["12459", "12495", "1245", "124590"], ["12459"] * 4)
    [1.0, 0.6666666666666666, 0.6666666666666666, 0.8333333333333334]
    """
    pairs = zip(map(answer_text, completions), solution, strict=True)
    return [_right_positions(text, best) / (len(best) + 1) for text, best in pairs]


def _right_positions(text: str, best: str) -> int:
    digits = sum(one == other for one, other in zip(text, best, strict=False))
    return digits + (len(text) == len(best))
