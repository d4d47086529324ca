"""A task whose difficulty is set by knobs: begin with the smallest digits in order. Synthetic.

    prompt      4702915=   digits that differ, in any order
    best        0125749    it has all digits and begins with the `right` smallest, ascending: reward 1
    second      9752104    it has all digits and begins with the three largest, descending: reward 0.5
    any other   2745109    reward 0

The base model (`drafts`) writes the digits in a random order. So the best kind of answer is one in n(n−1)...(n−right+1)
at first: of seven digits one in 42, 210, 840 or 2,520. A reference is of the best kind (`best`), of the second
(`beatable`), or of neither (`bad`). A share of the references may be wrong, that is of neither kind. Rewards may have
noise, or be graded: then `beatable` references begin with all but the last of the `right` digits.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HALF, SECOND = 0.5, 3  # reward of the second kind; how many of the largest digits it begins with
NOISE = 0.3  # standard deviation, in `noisy`
ROWS, DRAFTS = 1500, 25_600
KINDS = ("bad", "beatable", "best", "nearly")


def reward(digits: str, answer: str, right: int) -> float:
    """1, 0.5 or 0.

    >>> [reward("4702915", answer, 3) for answer in ("0124579", "0129754", "9754210", "0142579", "012457")]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    best = sorted(digits)
    if sorted(answer) != best:
        return 0.0
    if answer.startswith("".join(best[:right])):
        return 1.0
    return HALF if answer.startswith("".join(best[: -SECOND - 1 : -1])) else 0.0


def share(digits: str, answer: str, right: int) -> float:
    """The share of the first `right` places that hold the right digit; 0 without all digits.

    >>> [share("470", answer, 2) for answer in ("047", "074", "407", "04", "0477")]
    [1.0, 0.5, 0.0, 0.0, 0.0]
    """
    best = sorted(digits)
    if sorted(answer) != best:
        return 0.0
    return sum(one == other for one, other in zip(answer[:right], best[:right], strict=True)) / right


def reference(digits: str, kind: str, right: int, rng: random.Random) -> str:
    """An answer of a kind, otherwise in a random order."""
    best = sorted(digits)
    begin = {"best": best[:right], "nearly": best[: right - 1], "beatable": best[: -SECOND - 1 : -1], "bad": []}[kind]
    rewards = {"best": 1.0, "beatable": HALF}
    while True:
        rest = [digit for digit in digits if digit not in begin]
        answer = "".join([*begin, *rng.sample(rest, len(rest))])
        if reward(digits, answer, right) == rewards.get(kind, 0.0):
            return answer


Log = Callable[[str, float], None] | None


def sparse(
    prompts: Sequence[str], completions: Sequence[str], right: Sequence[int], log_metric: Log = None, **columns: Any
) -> list[float]:
    """For `--reward-funcs`: `reward`. Logs the share of the answers that earn 1."""
    rewards = [reward(*each) for each in zip(_digits(prompts), completions, right, strict=True)]
    if log_metric is not None:
        log_metric("success", sum(each == 1 for each in rewards) / len(rewards))
    return rewards


def graded(
    prompts: Sequence[str], completions: Sequence[str], right: Sequence[int], log_metric: Log = None, **columns: Any
) -> list[float]:
    """`share`; the same is logged."""
    sparse(prompts, completions, right, log_metric)
    return [share(*each) for each in zip(_digits(prompts), completions, right, strict=True)]


def noisy(
    prompts: Sequence[str], completions: Sequence[str], right: Sequence[int], log_metric: Log = None, **columns: Any
) -> list[float]:
    """`reward` with Gaussian noise, drawn anew for each answer of each step. What is logged has none."""
    rewards = sparse(prompts, completions, right, log_metric)
    rng = random.Random(f"{columns['trainer_state'].global_step} {' '.join(prompts)} {' '.join(completions)}")
    return [each + rng.gauss(0, NOISE) for each in rewards]


def _digits(prompts: Sequence[str]) -> list[str]:
    return [prompt.removesuffix("=") for prompt in prompts]


def rows(digits: int, right: int, kind: str, wrong: float) -> list[dict[str, Any]]:
    """Prompts, references and the column `right`; the same for the same arguments. Prompts depend on `digits` alone."""
    prompts = _prompts(digits, ROWS, random.Random(f"prompts of {digits}"))
    rng = random.Random(f"references: {kind}, {right}, {wrong}")
    kinds = ["bad" if rng.random() < wrong else kind for _ in prompts]
    return [
        {"prompt": f"{each}=", "completion": reference(each, its, right, rng), "right": right}
        for each, its in zip(prompts, kinds, strict=True)
    ]


def drafts(digits: int) -> list[dict[str, Any]]:
    """What the base model learns: the digits of other prompts in a random order."""
    taken, rng = {row["prompt"] for row in rows(digits, 1, "bad", 0.0)}, random.Random(f"drafts of {digits}")
    drawn = [each for each in _prompts(digits, DRAFTS + ROWS, rng) if f"{each}=" not in taken][:DRAFTS]
    return [{"prompt": f"{each}=", "completion": "".join(rng.sample(each, digits))} for each in drawn]


def _prompts(digits: int, count: int, rng: random.Random) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.sample("0123456789", digits))] = None
    return list(found)


def main() -> None:
    """Write a data set: drafts, or rows of one setting of the knobs."""
    parser = argparse.ArgumentParser("python -m theory.experiments.digits", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--digits", type=int, default=7)
    parser.add_argument("--drafts", action="store_true", help="what the base model learns, instead of rows")
    parser.add_argument("--right", type=int, default=3, help="digits that the best answers begin with")
    parser.add_argument("--reference", choices=KINDS, default="beatable")
    parser.add_argument("--wrong", type=float, default=0.0, help="the share of references that are bad")
    given = parser.parse_args()
    made = drafts(given.digits) if given.drafts else rows(given.digits, given.right, given.reference, given.wrong)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text("".join(json.dumps(row) + "\n" for row in made))


if __name__ == "__main__":
    main()
