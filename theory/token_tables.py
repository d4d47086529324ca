"""Tables of exp-race-tokens: answers of several tokens, drawn from one stated distribution.

The probabilities of whole answers and their rewards are drawn as in `theory.tables`: the kind of reference (best, good,
poor with a decoy, wrong), R(y), the best answer's probability, y's, noise in a quarter of the tables. What is new is
the tree that the answers lie in:

- its shape, each equally likely: all answers of 2 to 4 tokens out of 2 to 4, where there are at most 64; or those of
  3 tokens and more, and of 2 out of 3 or 4, in which token 0 ends an answer, so that lengths differ. 1 to 63 answers
  fail, where `theory.tables` has 1, 2, 4 or 8;
- the best answer is any of two tokens or more. In every second round of the four kinds y begins with the best answer's
  first token (or with more of its tokens), in the others with another one;
- the probability that is left is shared among the failing answers in proportion to exp(z) c^m, z normal, m the number
  of first tokens that an answer shares with the best one, c between 0.05 and 1 (uniform in the logarithm): at c = 1
  the best answer's last token is rare, at 0.05 its first ones are rare too.

`flattened` (theory.forest) makes a table's twin of one token: the same answers, rewards and probabilities.
"""

from dataclasses import replace

import numpy as np

from theory.autoregressive import Tree
from theory.forest import Table, common
from theory.groups import Array
from theory.tables import KINDS

MOST = 64  # answers of a tree
LEAST = 4  # a poor reference needs the best answer, y, a decoy and one that fails
TUNING_SEED, JUDGING_SEED = 20260202, 20261201  # fixed before any method was run on any of these tables


def shapes() -> list[Tree]:
    """Every tree that a table may have, each once."""
    every = [Tree(vocabulary, length, end) for vocabulary in (2, 3, 4) for length in (2, 3, 4) for end in (None, 0)
             if vocabulary**length <= MOST]  # fmt: skip
    return [tree for tree in every if len(tree.answers) >= LEAST]


def drawn(count: int, seed: int) -> list[Table]:
    """`count` tables; the kinds in turn, and in every second round of them y shares a prefix with the best answer."""
    rng = np.random.default_rng(seed)
    trees = shapes()
    return [_one(rng, trees, index % len(KINDS), bool(index // len(KINDS) % 2)) for index in range(count)]


def _one(rng: np.random.Generator, trees: list[Tree], kind: int, shared: bool) -> Table:
    tree = trees[int(rng.integers(len(trees)))]
    p = float(np.exp(rng.uniform(np.log(0.003), np.log(0.1))))
    pi_y = float(np.exp(rng.uniform(np.log(0.003), np.log(0.3))))
    good, poor, decoy = rng.uniform(0.5, 0.95), rng.uniform(0.05, 0.4), rng.uniform(0.2, 0.6, 2)
    noise = float(rng.uniform(0.1, 0.3)) if rng.random() < 0.25 else 0.0
    closeness = float(np.exp(rng.uniform(np.log(0.05), 0.0)))
    best = int(rng.choice([k for k, answer in enumerate(tree.answers) if len(answer) > 1]))
    near = np.array([common(answer, tree.answers[best]) for answer in tree.answers])
    others = [k for k in range(len(near)) if k != best and (near[k] > 0) == shared]
    reference = best if kind == 0 else int(rng.choice(others))
    rewards, shares = np.zeros(len(near)), np.zeros(len(near))
    rewards[best], shares[best] = 1.0, p
    if kind > 0:
        rewards[reference], shares[reference] = (good, poor, 0.0)[kind - 1], pi_y
    if kind == 2:
        third = int(rng.choice([k for k in range(len(near)) if k not in (best, reference)]))
        rewards[third], shares[third] = decoy[0], min(decoy[1], 0.95 - shares.sum())
    left = shares == 0
    weights = np.exp(rng.normal(size=len(near))) * closeness**near * left
    shares += (1 - shares.sum()) * weights / weights.sum()
    return Table(tree, rewards, shares, best, reference, kind, noise)


def misled(table: Table) -> Table:
    """A control: y is replaced by the likeliest failing answer, and its reward says so."""
    failing = np.where(table.rewards == 0, table.shares, 0.0)
    return replace(table, reference=int(failing.argmax()))


def from_race(rewards: Array, logits: Array, noise: Array, kind: Array) -> list[Table]:
    """The tables of exp-race, (T, K): trees of one token; the best answer is the first that there is, y the second."""
    tree = Tree(rewards.shape[1], 1)
    return [Table(tree, row, np.exp(here), int((row * np.exp(here) > 0).argmax()), 1, int(k), float(n))
            for row, here, n, k in zip(rewards, logits, noise, kind, strict=True)]  # fmt: skip
