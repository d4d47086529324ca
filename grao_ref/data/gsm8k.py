"""GSM8K's worked answers: steps with calculator annotations, `48/2 = <<48/2=24>>24`, then `#### 72`."""

import re

MARK = "####"
_ANNOTATION = re.compile(r"<<[^<>]*>>")
_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)")


def solution_of(answer: str) -> str:
    """The final number, as text without thousands commas. Raises `ValueError` where there is none.

    >>> solution_of("500 + 500 = <<500+500=1000>>1000 #### 1,000")
    '1000'
    """
    _, mark, final = answer.rpartition(MARK)
    number = final.strip().replace(",", "")
    if not mark:
        raise ValueError(f"answer must end in its final number behind {MARK}, which is missing")
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"answer must end in its final number behind {MARK}, got {final.strip()!r:.80}")
    return number


def worked_answer(answer: str) -> str:
    """The answer without its annotations, which are for a calculator. The line `#### 72` stays: it is the answer.

    >>> worked_answer("48/2 = <<48/2=24>>24 #### 24")
    '48/2 = 24 #### 24'
    """
    return _ANNOTATION.sub("", answer)
