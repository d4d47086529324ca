"""The exact expected update of a tabular autoregressive policy: answers of several tokens, every one of them listed.

`Tree` lists the answers of up to T tokens from V, and the prefixes at which a token is drawn. A policy is a table of
logits θ (P, V), a softmax for each prefix s; an answer's probability is the product along its path. `ExactTree` adds
rewards and the settings of eq-3. A group's weights depend on its answers' rewards alone, so they are those of a bandit
(`theory.exact`) whose K actions are the whole answers: the sum runs over the multinomial counts of the reward levels.
With W_o the expected weight on answer o (the reference's own included), and ℓ(o) its log-likelihood, mean or sum,

    F(θ) = Σ_o W_o(θ) ∇ℓ(o),   (∇ℓ(o))_s = 1[o passes s] (e_{o's token at s} − π(·|s)) / |o|.

    >>> import numpy as np
    >>> tree = Tree(vocabulary=2, length=2)
    >>> tree.answers
    ((0, 0), (0, 1), (1, 0), (1, 1))
    >>> exact = ExactTree(tree, ExactBandit(np.array([1.0, 0.0, 0.0, 0.0]), reference=0))
    >>> exact.update(np.zeros((3, 2))).shape
    (3, 2)
    >>> Tree(vocabulary=2, length=3, end=0).answers  # token 0 ends an answer
    ((0,), (1, 0), (1, 1, 0), (1, 1, 1))
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import log_softmax

from theory.exact import ExactBandit
from theory.groups import Array

MAX_ANSWERS = 5000
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """All answers of `length` tokens out of `vocabulary`. With `end`, that token ends an answer, and answers that reach
    `length` without it end there. K answers, P prefixes, both in lexicographic order.
    """

    vocabulary: int
    length: int
    end: int | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` on fewer than two tokens or no position, an `end` outside, and too many answers."""
        if self.vocabulary < 2 or self.length < 1:
            raise ValueError(f"at least 2 tokens and 1 position, got {self.vocabulary} and {self.length}")
        if self.end is not None and not 0 <= self.end < self.vocabulary:
            raise ValueError(f"end must be one of the {self.vocabulary} tokens, got {self.end}")
        if self.vocabulary**self.length > MAX_ANSWERS:
            raise ValueError(f"{self.vocabulary}^{self.length} answers are more than {MAX_ANSWERS}")

    @cached_property
    def answers(self) -> tuple[Tokens, ...]:
        """Every answer as its tokens: K of them."""
        return tuple(self._below(()))

    @cached_property
    def prefixes(self) -> tuple[Tokens, ...]:
        """Every prefix at which a token is drawn, the empty one first: P of them."""
        return tuple(sorted({answer[:t] for answer in self.answers for t in range(len(answer))}))

    @cached_property
    def lengths(self) -> Array:
        """|o|: (K,)."""
        return np.array([float(len(answer)) for answer in self.answers])

    @cached_property
    def steps(self) -> Array:
        """1 where an answer takes a token at a prefix: (K, P, V). Its sum over V is 1 where it passes the prefix."""
        place = {prefix: row for row, prefix in enumerate(self.prefixes)}
        table = np.zeros((len(self.answers), len(self.prefixes), self.vocabulary))
        for k, answer in enumerate(self.answers):
            for t, token in enumerate(answer):
                table[k, place[answer[:t]], token] = 1
        return table

    @cached_property
    def passes(self) -> Array:
        """1 where an answer passes a prefix: (K, P)."""
        passes: Array = self.steps.sum(-1)
        return passes

    def _below(self, prefix: Tokens) -> list[Tokens]:
        if prefix and (len(prefix) == self.length or prefix[-1] == self.end):
            return [prefix]
        return [answer for token in range(self.vocabulary) for answer in self._below((*prefix, token))]

    def policy(self, logits: Array, temperature: float = 1.0) -> Array:
        """π(v|s) = softmax(θ_s / τ): (P, V)."""
        policy: Array = np.exp(self._log(logits, temperature))
        return policy

    def log_likelihoods(self, logits: Array, temperature: float = 1.0) -> Array:
        """log π(o) of whole answers, the sum over their tokens: (K,)."""
        found: Array = np.einsum("kpv,pv->k", self.steps, self._log(logits, temperature))
        return found

    def _log(self, logits: Array, temperature: float) -> Array:
        logits = np.asarray(logits, dtype=np.float64)
        if logits.shape != (len(self.prefixes), self.vocabulary) or not np.isfinite(logits).all():
            raise ValueError(f"logits must be finite, ({len(self.prefixes)}, {self.vocabulary}), got {logits.shape}")
        log: Array = log_softmax(logits / temperature, axis=-1)
        return log


@dataclass(frozen=True)
class ExactTree:
    """Eq-3 on a tree, exactly, in float64. `bandit` has the rewards of the K answers, the reference's index among them,
    G, β, λ, the pool and the repair. Groups are drawn from softmax(θ / `sampled_at`), likelihoods are those of
    softmax(θ / `scored_at`). `mean` divides an answer's log-likelihood by its length, as eq-1 does.
    """

    tree: Tree
    bandit: ExactBandit
    sampled_at: float = 1.0
    scored_at: float = 1.0
    mean: bool = True

    def __post_init__(self) -> None:
        """Raise `ValueError` on rewards of another number of answers, and on a temperature where it does not belong."""
        if self.bandit.rewards.shape != (len(self.tree.answers),):
            raise ValueError(f"{len(self.tree.answers)} answers, rewards of shape {self.bandit.rewards.shape}")
        if self.bandit.temperature != 1:
            raise ValueError("a bandit's temperature is of whole answers; set sampled_at, which is of tokens")
        if not (0 < self.sampled_at < np.inf and 0 < self.scored_at < np.inf):
            raise ValueError(f"temperatures must be finite and > 0, got {self.sampled_at} and {self.scored_at}")

    def weights(self, logits: Array) -> Array:
        """W_o: E of the weight on each answer's log-likelihood, over the groups and with the reference's: (K,)."""
        return self.bandit.weights(self.tree.log_likelihoods(logits, self.sampled_at))

    def through(self, logits: Array) -> Array:
        """E of the weight of all answers that pass each prefix, each over its length where `mean`: (P,)."""
        through: Array = (self.weights(logits) / self._sizes()) @ self.tree.passes
        return through

    def update(self, logits: Array) -> Array:
        """F(θ) = E[ĝ]: (P, V)."""
        return self.along(logits, self.weights(logits))

    def along(self, logits: Array, weights: Array) -> Array:
        """Σ_o weights_o ∇ℓ(o) for any weights (K,): (P, V)."""
        taken = np.einsum("k,kpv->pv", weights / self._sizes(), self.tree.steps)
        policy = self.tree.policy(logits, self.scored_at)
        along: Array = (taken - taken.sum(-1, keepdims=True) * policy) / self.scored_at
        return along

    def value(self, logits: Array) -> float:
        """V of the policy that samples."""
        return float(np.exp(self.tree.log_likelihoods(logits, self.sampled_at)) @ self.bandit.rewards)

    def gradient(self, logits: Array) -> Array:
        """∇V of the policy that samples: (P, V)."""
        pi = np.exp(self.tree.log_likelihoods(logits, self.sampled_at))
        own = ExactTree(self.tree, self.bandit, self.sampled_at, self.sampled_at, mean=False)
        return own.along(logits, pi * self.bandit.rewards)

    def _sizes(self) -> Array:
        return self.tree.lengths if self.mean else np.ones_like(self.tree.lengths)
