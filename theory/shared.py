"""Two tasks in one policy with shared weights: logits are features @ W. Synthetic: the smallest case of forgetting.

Task A and task B are a prompt each, with features φ_A, φ_B of length 1 and cosine c. ∇_W log π(a | q) = φ_q (e_a − π)ᵀ,
so a step on B by u moves B's logits by u and A's by c u: the two rows of logits are all there is to W. Answers are
shared too. Weights are the package's (thm-1), by `theory.rules`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from theory.rules import BETA, G, Rule

RATE = 0.4
Replay = Callable[[Tensor, torch.Generator], Tensor]  # A's policies (N, K) -> weights on A's answers (N, K)


def train(theta: Tensor, cosine: float | Tensor, rule: Rule, replay: Replay, steps: int, seed: int) -> Tensor:
    """Logits (2, N, K) of A and B after so many steps on B (the second row), with weights on A by `replay`.

    `cosine`: of their features, a number or one for each row, (N, 1).
    """
    rng, theta = torch.Generator().manual_seed(seed), theta.clone()
    for _ in range(steps):
        old, new = theta.softmax(-1)
        step_new = _update(rule(torch.multinomial(new, G, replacement=True, generator=rng)), new)
        step_old = _update(replay(old, rng), old)
        theta += RATE * torch.stack([step_old + cosine * step_new, step_new + cosine * step_old])
    return theta


def _update(weights: Tensor, pi: Tensor) -> Tensor:
    return weights - pi * weights.sum(-1, keepdim=True)


def sft(y: int, answers: int, weight: float = 1.0) -> Rule:
    """The reference alone is imitated."""
    row = torch.nn.functional.one_hot(torch.tensor(y), answers).double() * weight
    return lambda ids: row.expand(len(ids), -1)


def nothing(old: Tensor, rng: torch.Generator) -> Tensor:
    """A is not seen again."""
    return torch.zeros_like(old)


def imitated(y: int, weight: float = BETA) -> Replay:
    """A's old reference is imitated in every step; nothing is sampled for A."""
    return lambda old, rng: sft(y, old.shape[-1], weight)(old)


def sampled(rule: Rule) -> Replay:
    """A's prompt is trained on as well, with samples of its own."""
    return lambda old, rng: rule(torch.multinomial(old, G, replacement=True, generator=rng))
