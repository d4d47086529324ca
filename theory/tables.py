"""Tables to race on, drawn from one stated distribution: some to tune the methods on, others to judge them on.

Of a table's answers, 0 is the best (reward 1), 1 the reference, 2 a decoy, and the rest fail (reward 0):

  kind          probability  R(y)            what else
  best          1/4          1               y is the best answer; there is no other
  good          1/4          0.5 to 0.95
  poor          1/4          0.05 to 0.4     a decoy of reward 0.2 to 0.6 and probability 0.2 to 0.6
  wrong         1/4          0               y fails, and the reward says so

The best answer's probability is 0.003 to 0.1, the reference's 0.003 to 0.3 (both uniform in the logarithm); 1, 2, 4 or
8 answers fail, equally likely at first; and in a quarter of the tables each reward has a noise of 0.1 to 0.3 (standard
deviation) whenever it is asked for.
"""

from dataclasses import dataclass

import numpy as np

from theory.groups import Array

KINDS = ("best", "good", "poor", "wrong")
ABSENT = -1e9  # the logit of an answer that a table does not have
FAILING, RARE = 8, 0.02
TUNING_SEED, JUDGING_SEED = 20260101, 20261127  # fixed before any method was run on any of these tables


@dataclass(frozen=True)
class Tables:
    """T tables of K answers: 11, where the number that fails is drawn."""

    rewards: Array  # (T, K)
    logits: Array  # (T, K)
    noise: Array  # (T,)
    kind: Array  # (T,), an index of KINDS
    rarity: Array  # (T,), the best answer's probability at first

    def __len__(self) -> int:
        """T."""
        return len(self.noise)


def drawn(count: int, seed: int, failing: int | None = None) -> Tables:
    """`count` tables; the kinds in turn, so that there are as many of each. `failing`: so many fail in every table."""
    rng = np.random.default_rng(seed)
    parts = [_one(rng, index % len(KINDS), failing) for index in range(count)]
    return Tables(*(np.array(each) for each in zip(*parts, strict=True)))


def _one(rng: np.random.Generator, kind: int, fixed: int | None = None) -> tuple[Array, Array, float, int, float]:
    rewards, shares = np.zeros(3 + (fixed or FAILING)), np.zeros(3 + (fixed or FAILING))
    p = float(np.exp(rng.uniform(np.log(0.003), np.log(0.1))))
    pi_y = float(np.exp(rng.uniform(np.log(0.003), np.log(0.3))))
    good, poor, decoy = rng.uniform(0.5, 0.95), rng.uniform(0.05, 0.4), rng.uniform(0.2, 0.6, 2)
    power = int(rng.integers(4))
    failing = fixed or 2**power
    noise = float(rng.uniform(0.1, 0.3)) if rng.random() < 0.25 else 0.0
    rewards[:2] = 1.0, (1.0, good, poor, 0.0)[kind]
    shares[:2] = (0.0, p) if kind == 0 else (p, pi_y)
    if kind == 2:
        rewards[2], shares[2] = decoy[0], min(decoy[1], 0.95 - shares.sum())
    shares[3 : 3 + failing] = (1 - shares.sum()) / failing
    logits = np.log(shares, where=shares > 0, out=np.full_like(shares, ABSENT))
    return rewards, logits, noise, kind, p
