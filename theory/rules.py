"""One step's weights as a function of the group alone: its exact mean by enumeration, and runs of many seeds.

A rule takes groups, ids (N, G) of answers, and gives the weight on log π(a) of every answer, (N, K): the samples' w_i
and the references' w_y, each added up by answer (thm-1). Then ĝ = weights − π Σ weights. Rules use the package's
own `group_advantages`, `likelihood_weights` and `standardize`; what the loop has no setting for can be one too.
"""

from collections.abc import Callable, Iterator, Sequence
from math import lgamma

import numpy as np
import torch
from torch import Tensor

from grao_ref.equations.advantage import group_advantages
from grao_ref.equations.grao import likelihood_weights, likelihood_weights_while_ahead
from theory.groups import Array, compositions

G, BETA, LAM, GOAL = 8, 0.5, 0.6, 0.9
RATES = (0.2, 0.4, 0.8, 1.6, 3.2)
Rule = Callable[[Tensor], Tensor]


def every_group(answers: int, size: int = G) -> tuple[Tensor, Tensor]:
    """All groups up to order, ids (T, G), and the logarithm of how many orders each has, (T,)."""
    counts = compositions(size, answers).astype(int)
    ids = np.stack([np.repeat(np.arange(answers), row) for row in counts])
    ways = [lgamma(size + 1) - sum(lgamma(c + 1) for c in row) for row in counts]
    return torch.from_numpy(ids), torch.tensor(ways, dtype=torch.float64)


def probability(ids: Tensor, ways: Tensor, policies: Tensor) -> Tensor:
    """Of each group under each policy (P, K): (P, T)."""
    return (ways + policies.log()[:, ids].sum(-1)).exp()


def field(rule: Rule, policies: Tensor, size: int = G) -> Tensor:
    """F(θ) = E[ĝ] at each policy (P, K), by enumeration."""
    ids, ways = every_group(policies.shape[-1], size)
    mean = probability(ids, ways, policies) @ rule(ids)
    return mean - policies * mean.sum(-1, keepdim=True)


def climb(rule: Rule, start: Tensor, rates: Sequence[float], steps: int, seed: int = 0) -> Iterator[Tensor]:
    """π after each step of N seeds at each of R rates, (R, N, K), from one policy (K,) or from (N, K)."""
    rng = torch.Generator().manual_seed(seed)
    theta = start.log().expand(len(rates), -1, -1).flatten(0, 1).clone()
    rate = torch.tensor(rates, dtype=theta.dtype).repeat_interleave(len(theta) // len(rates))[:, None]
    for _ in range(steps):
        pi = theta.softmax(-1)
        weights = rule(torch.multinomial(pi, G, replacement=True, generator=rng))
        theta += rate * (weights - pi * weights.sum(-1, keepdim=True))
        yield theta.softmax(-1).view(len(rates), -1, theta.shape[-1])


def by_answer(ids: Tensor, weights: Tensor, answers: int) -> Tensor:
    """Weights of samples (N, G) added up by answer: (N, K)."""
    return torch.zeros(len(ids), answers, dtype=weights.dtype).scatter_add_(1, ids, weights)


def grao(
    rewards: Tensor,
    y: int,
    claimed: Callable[[int], Tensor] | float,
    *,
    beta: float = BETA,
    lam: float = LAM,
    pool: str = "with_reference",
    ahead: bool = True,
) -> Rule:
    """eq-3 on a table (K,), where the reference's score is what is claimed of it: a number, or a draw for N groups."""
    weigh = likelihood_weights_while_ahead if ahead else likelihood_weights

    def rule(ids: Tensor) -> Tensor:
        score = claimed(len(ids)) if callable(claimed) else torch.full((len(ids),), claimed, dtype=rewards.dtype)
        w_o, w_y = weigh(*group_advantages(rewards[ids], score, pool=pool), beta=beta, lam=lam)
        weights = by_answer(ids, w_o, len(rewards))
        weights[:, y] += w_y
        return weights

    return rule


def grpo(rewards: Tensor) -> Rule:
    """No reference: eq-3 with β = λ = 0 on the outputs' pool."""
    return grao(rewards, 0, 0.0, beta=0.0, lam=0.0, pool="outputs")


def crowd(p: float, references: int, failures: int, rows: int) -> Tensor:
    """Policies (N, K): the best answer and each reference has probability p, and the failures share the rest."""
    rest = (1 - (1 + references) * p) / failures
    return torch.tensor([p] * (1 + references) + [rest] * failures, dtype=torch.float64).expand(rows, -1)


def arrivals(rule: Rule, rewards: Tensor, start: Tensor, steps: int, seed: int = 0) -> tuple[Array, Array]:
    """When V first is >= 0.9, infinite: not in time, and V at the end, for each rate and seed: (R, N) twice."""
    first = torch.full((len(RATES), len(start)), torch.inf)
    value = torch.zeros_like(first)
    for k, pi in enumerate(climb(rule, start, RATES, steps, seed), 1):
        value = pi @ rewards
        first = torch.where(first.isinf() & (value >= GOAL), torch.full_like(first, k), first)
    waits, last = first.numpy(), value.numpy()
    return waits, last
