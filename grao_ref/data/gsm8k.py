"""GSM8K's worked answers: steps with calculator annotations, `48/2 = <<48/2=24>>24`, then `#### 72`."""

import re
from typing import Any

MARK = "####"
_ANNOTATION = re.compile(r"<<[^<>]*>>")
_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)")


def solution_of(answer: str) -> str:
    """The final number, as text without thousands commas. Raises `ValueError` where there is none.

    >>> solution_of("500 + 500 = <<500+500=1000>>1000 #### 1,000")
    '1000'
    """
    number = _final(answer)
    if MARK not in answer:
        raise ValueError(f"answer must end in its final number behind {MARK}, which is missing")
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"answer must end in its final number behind {MARK}, got {number!r:.80}")
    return number


def is_worked(answer: Any) -> bool:
    """Whether a value is a text that ends in its final number.

    >>> is_worked("600 + 600 = 1200 #### 1,200"), is_worked("#### Step 1"), is_worked(4)
    (True, False, False)
    """
    return isinstance(answer, str) and MARK in answer and bool(_NUMBER.fullmatch(_final(answer)))


def worked_answer(answer: str) -> str:
    """The answer without its annotations, which are for a calculator. The line `#### 72` stays: it is the answer.

    >>> worked_answer("48/2 = <<48/2=24>>24 #### 24")
    '48/2 = 24 #### 24'
    """
    return _ANNOTATION.sub("", answer)


def _final(answer: str) -> str:
    """What stands behind the last mark, without thousands commas."""
    return answer.rpartition(MARK)[2].strip().replace(",", "")
