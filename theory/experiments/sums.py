"""Sums of two numbers up to 20, of which a small chat model knows some: a task whose answers can be checked.

    python -m theory.experiments.sums --output-dir runs/sums

Of the 400 questions, in a random order with a seed, three quarters are in `train.jsonl` and the others in `test.jsonl`.
A reference is the number alone, as the question asks, or with `--written-out` the whole sum. It earns the most that an
answer can. Questions are held out, not sums: of most, the one with the numbers in the other order is in `train.jsonl`
(71 of 100).
"""

import argparse
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LARGEST, TRAINED, SEED = 20, 0.75, 0
Log = Callable[[str, float], None] | None


def correct(completions: Sequence[Any], answer: Sequence[str], **columns: Any) -> list[float]:
    """1 where the last whole number of an answer is the sum, else 0.

    >>> correct(["7 + 12 = 19.", "19 or 20", "nineteen"], ["19"] * 3)
    [1.0, 0.0, 0.0]
    """
    numbers = [re.findall(r"\d+", text) for text in _texts(completions)]
    return [float(found[-1:] == [right]) for found, right in zip(numbers, answer, strict=True)]


def alone(completions: Sequence[Any], log_metric: Log = None, **columns: Any) -> list[float]:
    """1 where an answer is a number and nothing else, right or wrong. Logs the share."""
    found = [float(text.strip().isdecimal()) for text in _texts(completions)]
    if log_metric is not None:
        log_metric("number_alone", sum(found) / len(found))
    return found


def correct_alone(completions: Sequence[Any], answer: Sequence[str], **columns: Any) -> list[float]:
    """1 where an answer is the sum and nothing else.

    >>> correct_alone(["19", "7 + 12 = 19"], ["19"] * 2)
    [1.0, 0.0]
    """
    both = zip(correct(completions, answer), alone(completions), strict=True)
    return [right * bare for right, bare in both]


def rows(*, written_out: bool = False) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those to train on, and those that are held out."""
    pairs = [(one, other) for one in range(1, LARGEST + 1) for other in range(1, LARGEST + 1)]
    random.Random(SEED).shuffle(pairs)
    found = [
        {
            "prompt": [{"role": "user", "content": f"What is {one} + {other}? Answer with the number alone."}],
            "completion": [{"role": "assistant", "content": f"{one} + {other} = " * written_out + str(one + other)}],
            "answer": str(one + other),
        }
        for one, other in pairs
    ]
    split = int(TRAINED * len(found))
    return found[:split], found[split:]


def _texts(completions: Sequence[Any]) -> list[str]:
    return [each if isinstance(each, str) else each[-1]["content"] for each in completions]


def main() -> None:
    """Write both parts."""
    parser = argparse.ArgumentParser("python -m theory.experiments.sums")
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--written-out", action="store_true")
    given = parser.parse_args()
    folder = given.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("train", "test"), rows(written_out=given.written_out), strict=True):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))


if __name__ == "__main__":
    main()
