"""Small autoregressive tables whose answers differ in length: the exact expected update, for any division by length.

An answer is a first token, right or wrong, then filler tokens, then the end token, which is forced at the last
position. Each state has two logits of its own: right or wrong; after that, to go on or to end. Rewards depend on the
first token alone, so the length is irrelevant to the reward.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from theory.exact import ExactBandit
from theory.groups import Array


@dataclass(frozen=True)
class Lengths:
    """Answers of 1 … `longest` tokens after each of two first tokens; y is the answer `reference`."""

    longest: int
    reference: int = 0
    size: int = 8
    beta: float = 0.0
    lam: float = 0.0
    pool: str = "outputs"

    @property
    def rewards(self) -> Array:
        """1 after the right first token, else 0: (2 L,)."""
        return np.repeat([1.0, 0.0], self.longest)

    @property
    def lengths(self) -> Array:
        """1 … L, after each first token: (2 L,)."""
        return np.tile(np.arange(1.0, self.longest + 1), 2)

    def loglik(self, theta: Tensor) -> Tensor:
        """log π of each answer: (2 L,), from θ (1 + 2 (L − 1),): the logit of right, then those of going on."""
        log_p = torch.nn.functional.logsigmoid
        first = torch.stack([log_p(theta[0]), log_p(-theta[0])])
        on = theta[1:].view(2, self.longest - 1)
        zero = torch.zeros(2, 1, dtype=theta.dtype)
        before = torch.cat([zero, log_p(on).cumsum(1)], 1)
        ends = torch.cat([log_p(-on), zero], 1)
        return (first[:, None] + before + ends).flatten()

    def mean_length(self, theta: Tensor, first: int | None = None) -> Tensor:
        """E|o|, of all answers or of those that begin with this first token."""
        pi, lengths = self.loglik(theta).exp(), torch.tensor(self.lengths)
        if first is None:
            return (pi * lengths).sum()
        part = slice(first * self.longest, (first + 1) * self.longest)
        return (pi[part] * lengths[part]).sum() / pi[part].sum()

    def weights(self, theta: Tensor) -> tuple[Array, float]:
        """E[Σ_i w_i 1(o_i = a)] of each answer, and E[w_y], by enumeration of the groups."""
        logits = self.loglik(theta).detach().numpy()
        bandit = ExactBandit(self.rewards, self.reference, self.size, self.beta, self.lam, self.pool)
        counts, _, _, w_o, w_y = bandit.groups()
        by_level = [bandit.expectation(logits, (counts * w_o)[:, level]) for level in range(2)]  # reward 0, then 1
        pi = np.exp(logits)
        share = pi / np.repeat([pi[: self.longest].sum(), pi[self.longest :].sum()], self.longest)
        return share * np.repeat(by_level[::-1], self.longest), bandit.expectation(logits, w_y)

    def update(self, theta: Tensor, by_length: bool, reference_alone: bool = False) -> Tensor:
        """F: weights times ∇ of the mean log-likelihood of an answer's tokens, or of its sum over L, Dr. GRPO's."""
        leaf = theta.clone().requires_grad_()
        weights, w_y = self.weights(theta)
        weights = weights * (not reference_alone)
        weights[self.reference] += w_y
        divisor = self.lengths if by_length else np.full_like(self.lengths, self.longest)
        (update,) = torch.autograd.grad((torch.tensor(weights / divisor) * self.loglik(leaf)).sum(), leaf)
        return update

    def rate_of(self, theta: Tensor, by_length: bool, first: int | None = None) -> float:
        """⟨F, ∇E|o|⟩: how fast an infinitesimal step changes the mean length."""
        leaf = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.mean_length(leaf, first), leaf)
        return float(self.update(theta, by_length) @ gradient)
