"""Many trees of answers side by side in numpy: sampled token by token, and moved by weights on their tokens.

A `Table` is a `Tree` (theory.autoregressive) with a reward and an initial probability for each whole answer. A `Forest`
holds R of them, padded to one shape, so that a step of all runs of all tables is a few operations on arrays. An entry
(s, v), the token v at the prefix s, has the number s·V + v; P·V stands for no token, behind an answer's end.

    >>> table = Table(Tree(2, 2), np.array([1.0, 0, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4]), best=0, reference=1)
    >>> np.exp(planted([table]).logits)[0].round(3).tolist()  # π(v) and π(v | s): the answers' shares, token by token
    [[0.3, 0.7], [0.333, 0.667], [0.429, 0.571]]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory.autoregressive import Tokens, Tree
from theory.groups import Array
from theory.tables import ABSENT

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """K answers with their rewards and initial probabilities, (K,) each; which is the best and which the reference."""

    tree: Tree
    rewards: Array
    shares: Array
    best: int
    reference: int
    kind: int = 0  # an index of `theory.tables.KINDS`
    noise: float = 0.0  # standard deviation of what is added to a reward each time that it is asked for

    @cached_property
    def fails(self) -> int:
        """How many answers have reward 0."""
        return int(((self.rewards == 0) & (self.shares > 0)).sum())

    @cached_property
    def shared(self) -> int:
        """With how many of the best answer's tokens the reference begins."""
        return common(self.tree.answers[self.best], self.tree.answers[self.reference])


def common(one: Tokens, other: Tokens) -> int:
    """The length of the longest prefix that two answers share."""
    same = [a == b for a, b in zip(one, other, strict=False)]
    return same.index(False) if False in same else len(same)


def flattened(table: Table) -> Table:
    """The same answers, rewards and probabilities, but each answer is one token: a bandit of K arms."""
    return replace(table, tree=Tree(len(table.rewards), 1))


@dataclass(frozen=True)
class Forest:
    """R tables, padded to P prefixes, V tokens at each and answers of T tokens."""

    child: Ids  # (R, P + 1, V), the prefix that a token leads to; P where the answer ends, and from P on
    prize: Array  # (R, P + 1, V), the reward of the answer that ends with this token, else 0
    logits: Array  # (R, P, V), at first
    reference: Ids  # (R, T), the entries of y
    rewarded: Ids  # (R, M, T), the entries of the answers whose reward is not 0
    worth: Array  # (R, M), and those rewards
    score: Array  # (R,), R(y)
    noise: Array  # (R,)

    @property
    def none(self) -> int:
        """P·V: the entry that is no token."""
        _, prefixes, width = self.logits.shape
        return int(prefixes * width)

    def value(self, rows: Ids, policy: "Policy") -> Array:
        """V of the policies of N runs, each on one of the tables: (N,)."""
        likelihoods = policy.of(self.rewarded[rows]).sum(-1)
        value: Array = (np.exp(likelihoods) * self.worth[rows]).sum(-1)
        return value

    def walk(self, rows: Ids, policy: "Policy", chance: Array) -> tuple[Ids, Array]:
        """Answers drawn token by token with uniform numbers (N, G, T): their entries (N, G, T), rewards (N, G)."""
        ended, width = policy.pi.shape[1:]
        below = policy.pi.cumsum(-1)[..., :-1]
        below = np.concatenate([below, np.ones_like(below[:, :1])], 1)  # an answer that has ended takes token 0 …
        runs, rows = np.arange(len(rows))[:, None], rows[:, None]
        place, rewards = np.zeros(chance.shape[:2], dtype=np.int64), np.zeros(chance.shape[:2])
        entries = np.empty(chance.shape, dtype=np.int64)
        for t in range(chance.shape[2]):
            token = (chance[..., t, None] > below[runs, place]).sum(-1)
            entries[..., t] = place * width + token  # … at P: the entry that is none
            rewards += self.prize[rows, place, token]
            place = self.child[rows, place, token]
        if (place != ended).any():
            raise ValueError("an answer is longer than the trees are deep")
        return entries, rewards


@dataclass(frozen=True)
class Policy:
    """π(v | s) and its logarithm for N tables of logits, (N, P, V) each."""

    log_pi: Array
    pi: Array

    def of(self, entries: Ids) -> Array:
        """log π of each entry (N, …), 0 where it is none."""
        size = len(self.log_pi)
        flat = np.concatenate([self.log_pi.reshape(size, -1), np.zeros((size, 1))], 1)
        found: Array = np.take_along_axis(flat, entries.reshape(size, -1), 1).reshape(entries.shape)
        return found

    def along(self, taken: Array) -> Array:
        """Σ w ∇log π of weights added up by entry, (N, P, V): each prefix has a softmax of its own."""
        update: Array = taken - self.pi * taken.sum(-1, keepdims=True)
        return update

    def kept(self, rows: NDArray[np.bool_]) -> "Policy":
        """Those of some of the tables."""
        return Policy(self.log_pi[rows], self.pi[rows])


def policy_of(theta: Array) -> Policy:
    """The softmax of each prefix."""
    above = theta - theta.max(-1, keepdims=True)
    pi = np.exp(above)
    total = pi.sum(-1, keepdims=True)
    return Policy(above - np.log(total), pi / total)


def added(shape: tuple[int, ...], pairs: Sequence[tuple[Ids, Array]]) -> Array:
    """Weights of entries added up by entry, (N, P, V) or another `shape` whose first dimension is N."""
    size = int(np.prod(shape[1:])) + 1
    first = np.arange(shape[0])[:, None] * size
    where = np.concatenate([(first + entries.reshape(shape[0], -1)).ravel() for entries, _ in pairs])
    total = np.bincount(where, np.concatenate([weights.ravel() for _, weights in pairs]), shape[0] * size)
    return np.asarray(total.reshape(shape[0], size)[:, :-1].reshape(shape), dtype=np.float64)


def planted(tables: Sequence[Table]) -> Forest:
    """The forest of these tables."""
    trees = [table.tree for table in tables]
    depth, width = max(tree.length for tree in trees), max(tree.vocabulary for tree in trees)
    most, none = max(len(tree.prefixes) for tree in trees), max(len(tree.prefixes) for tree in trees) * width
    child = np.full((len(tables), most + 1, width), most)
    prize, logits = np.zeros(child.shape), np.full((len(tables), most, width), ABSENT)
    paid = [np.flatnonzero(table.rewards) for table in tables]
    rewarded = np.full((len(tables), max(map(len, paid)), depth), none)
    worth, reference = np.zeros(rewarded.shape[:2]), np.full((len(tables), depth), none)
    for row, table in enumerate(tables):
        tree = table.tree
        place = {prefix: number for number, prefix in enumerate(tree.prefixes)}
        paths = [[place[answer[:t]] * width + token for t, token in enumerate(answer)] for answer in tree.answers]
        for answer, reward in zip(tree.answers, table.rewards, strict=True):
            prize[row, place[answer[:-1]], answer[-1]] = reward
        for prefix, number in place.items():
            if prefix:
                child[row, place[prefix[:-1]], prefix[-1]] = number
        mass = np.einsum("k,kpv->pv", table.shares, tree.steps)
        mass /= np.maximum(mass.sum(-1, keepdims=True), 1e-300)
        here = np.log(mass, where=mass > 0, out=np.full_like(mass, ABSENT))
        logits[row, : len(mass), : tree.vocabulary] = here
        for column, k in enumerate(paid[row]):
            rewarded[row, column, : len(paths[k])], worth[row, column] = paths[k], table.rewards[k]
        reference[row, : len(paths[table.reference])] = paths[table.reference]
    score = np.array([table.rewards[table.reference] for table in tables])
    noise = np.array([table.noise for table in tables])
    return Forest(child, prize, logits, reference, rewarded, worth, score, noise)
