"""The data set `sorting`: put five digits in order. It is synthetic, and each reference has one mistake.

    prompt     52914=
    reference  14259      in order, but for one pair of neighbours that is swapped: reward 4/6
    rejected   52914      the digits as they came
    solution   12459      reward 1; the column that the reward function reads

A policy can first imitate the references and then do better than they do. The tokenizer's end-of-sequence token, which
closes every answer, is the sixth position that the reward counts (`rewards/sorting.py`).
"""

import random
from itertools import permutations

from grao_ref.data.rows import Row, Rows

DIGITS, LENGTH = "0123456789", 5
COUNT = 4000
"""A run of the default length trains on 16 prompts a step for 200 steps, so it reads 3,200 of the 3,600 that are left
after a tenth is held out: no prompt twice. More rows would only take longer to encode."""
SEED = 5


def sorting_rows(*, split: str = "train", config: str | None = None) -> Rows:
    """The same `COUNT` rows in the same order, every time and everywhere; their prompts are different.

    They are drawn from the 30,240 ordered choices of five digits. In about one row of 120 the digits come in order, and
    the rejected answer is right. Raises `ValueError` on a split other than `train`, and on a config.
    """
    if split != "train" or config is not None:
        asked = f"split {split!r}" if split != "train" else f"config {config!r}"
        raise ValueError(f"sorting has the split 'train' alone; there is no {asked}")
    rng = random.Random(SEED)  # of its methods, Python promises the same numbers for ever from `random` alone
    every = ["".join(digits) for digits in permutations(DIGITS, LENGTH)]
    prompts = sorted(every, key=lambda digits: rng.random())[:COUNT]
    return Rows(_row(digits, int(rng.random() * (LENGTH - 1)), n) for n, digits in enumerate(prompts, start=1))


def _row(digits: str, place: int, number: int) -> Row:
    """`place`: the first of the two positions that are swapped in the reference."""
    best = "".join(sorted(digits))
    swapped = best[:place] + best[place + 1] + best[place] + best[place + 2 :]
    return Row(f"{digits}=", swapped, digits, {"solution": best}, number)
