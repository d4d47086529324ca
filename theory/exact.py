"""The exact expected update of a one-context bandit, F(θ) = E[ĝ(θ)], with its Jacobian and second moment.

One action is one whole answer of length 1, π = softmax(θ), and G samples are drawn independently:

    ĝ = Σ_i w_i (e_{o_i} − π) + w_y (e_y − π),   w_i = (1 + λ) Â_oi / G,   w_y = β Â_y − λ Ā   (thm-1).

Given a group's counts of each reward level, only the choice of the action within a level is still random.
With v = (samples' weights at each level, w_y) and B = (share of each action in each level, e_y), both exact:

    F = (B − π1ᵀ) E[v],   E[ĝ ĝᵀ] = (B − π1ᵀ) E[v vᵀ] (B − π1ᵀ)ᵀ + Σ_l E[c_l w_l²] (diag(s_l) − s_l s_lᵀ).

Cost: C(G + L − 1, L − 1) groups of L counts for L distinct rewards, whatever K is (`theory.groups`), and
O(K² L) for matrices. K = 4 different rewards with G = 8 are 165 groups: about a millisecond.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import log_softmax

from theory.groups import (
    MAX_CELLS,
    Array,
    GroupMoments,
    advantages,
    compositions,
    moments,
    on_unit_interval,
    probabilities,
    require_index,
    require_pool,
    require_rewards,
    require_same_shape,
    require_size,
)

__all__ = ["MAX_CELLS", "ExactBandit", "compositions", "expected_update"]


def expected_update(
    logits: Array,
    rewards: Array,
    reference: int,
    *,
    group_size: int,
    beta: float,
    lam: float,
    pool: str = "with_reference",
    only_when_ahead: bool = False,
) -> Array:
    """F_a = E[ Σ_i w_i (1[o_i = a] − π_a) + w_y (1[y = a] − π_a) ], an ascent direction of eq-3 (eq-8).

    w_i and w_y are those of thm-1; `only_when_ahead` takes max(w_y, 0), the repair of thm-4.
    Shapes: logits (K,), rewards (K,), the index of y -> (K,), float64.
    Raises `ValueError` on mismatched or non-finite arrays, an invalid index, G < 2, an unknown pool,
    negative weights, and sizes beyond `MAX_CELLS` terms times levels.
    """
    logits, rewards = np.asarray(logits, dtype=np.float64), np.asarray(rewards, dtype=np.float64)
    require_same_shape(logits, rewards)
    bandit = ExactBandit(rewards, reference, group_size, beta, lam, pool, only_when_ahead)
    return bandit.update(logits)


@dataclass(frozen=True)
class ExactBandit:
    """A bandit, its reference and the settings of eq-3; every method is exact, in float64, for any logits (K,).

    `temperature` is that of sampling alone: likelihoods stay untempered, as eq-3 prints them. `normalised=False`
    takes R − μ for the advantage, without eq-4's deviation: a control.
    """

    rewards: Array
    reference: int
    group_size: int = 8
    beta: float = 0.5
    lam: float = 0.6
    pool: str = "with_reference"
    only_when_ahead: bool = False
    temperature: float = 1.0
    normalised: bool = True
    _groups: tuple[Array, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` on invalid settings, and on sizes that are too large to compute."""
        rewards = np.asarray(self.rewards, dtype=np.float64)
        object.__setattr__(self, "rewards", rewards)
        require_rewards(rewards)
        if not (0 <= self.beta < np.inf and 0 <= self.lam < np.inf):
            raise ValueError(f"beta and lam must be finite numbers >= 0, got {self.beta} and {self.lam}")
        if not 0 < self.temperature < np.inf:
            raise ValueError(f"temperature must be a finite number > 0, got {self.temperature}")
        require_pool(self.pool)
        reference, group_size = require_index(reference=self.reference), require_index(group_size=self.group_size)
        if not 0 <= reference < len(rewards):
            raise ValueError(f"reference must be one of the {len(rewards)} actions, got {reference}")
        if group_size < 2:
            raise ValueError(f"group_size must be at least 2, got {group_size}")
        scaled = on_unit_interval(rewards) if self.normalised else rewards
        levels, level_of = np.unique(scaled, return_inverse=True)
        require_size(group_size, len(levels))
        counts = compositions(group_size, len(levels))  # (terms, L)
        A_o, A_y = advantages(counts, levels, scaled[reference], self.pool, self.normalised)
        w_y = self.beta * A_y - self.lam * (counts * A_o).sum(1) / group_size
        weights = ((1 + self.lam) * A_o / group_size, np.maximum(w_y, 0) if self.only_when_ahead else w_y)
        object.__setattr__(self, "_groups", (level_of, counts, A_o, A_y, *weights))

    def policy(self, logits: Array) -> Array:
        """π = softmax(θ)."""
        policy: Array = np.exp(log_softmax(self._finite(logits)))
        return policy

    def value(self, logits: Array) -> float:
        """V(θ) = Σ_a π_a R_a."""
        return float(self.policy(logits) @ self.rewards)

    def gradient(self, logits: Array) -> Array:
        """∇V = π ∘ (R − V)."""
        pi = self.policy(logits)
        gradient: Array = pi * (self.rewards - pi @ self.rewards)
        return gradient

    def objective(self, logits: Array, sampler: Array) -> float:
        """E[J(θ)] of eq-3 over the groups that the policy with logits `sampler` draws (eq-2)."""
        share, found = self._moments(sampler)
        log_pi = log_softmax(self._finite(logits))
        return float(log_pi @ self._columns(share) @ found.mean)

    def weights(self, logits: Array) -> Array:
        """E of all weight on each answer's log-likelihood, the samples' and the reference's: (K,)."""
        share, found = self._moments(logits)
        weights: Array = self._columns(share) @ found.mean
        return weights

    def update(self, logits: Array) -> Array:
        """F(θ) = E[ĝ]: (K,)."""
        share, found = self._moments(logits)
        by_action = self._columns(share) @ found.mean
        update: Array = by_action - self.policy(logits) * found.mean.sum()
        return update

    def jacobian(self, logits: Array) -> Array:
        """∂F_a/∂θ_b of the on-policy field, the sampling's dependence on θ included: (K, K)."""
        share, found = self._moments(logits)
        level_of, levels = self._groups[0], len(found.within)
        pi, tau = self.policy(logits), self.temperature
        sampling = self.policy(self._finite(logits) / tau)
        # τ dE[v]/dθ: (L + 1, K)
        ways = found.slope[:, level_of] * share - self.group_size * np.outer(found.mean, sampling)
        same = level_of[:, None] == level_of
        shares = np.where(same, np.diag(share) - np.outer(share, share), 0) * found.mean[:levels][level_of][:, None]
        softmax = np.diag(pi) - np.outer(pi, pi)
        jacobian: Array = (self._columns(share) - pi[:, None]) @ ways / tau + shares / tau - softmax * found.mean.sum()
        return jacobian

    def second_moment(self, logits: Array) -> Array:
        """E[ĝ ĝᵀ]: (K, K); its trace is E‖ĝ‖²."""
        share, found = self._moments(logits)
        centred = self._columns(share) - self.policy(logits)[:, None]
        within = found.within[self._groups[0]]
        same = self._groups[0][:, None] == self._groups[0]
        inside = np.diag(within * share) - np.where(same, within[:, None] * np.outer(share, share), 0)
        second: Array = centred @ found.square @ centred.T + inside
        return second

    def variance(self, logits: Array) -> Array:
        """Cov(ĝ) = E[ĝ ĝᵀ] − F Fᵀ: (K, K)."""
        update = self.update(logits)
        variance: Array = self.second_moment(logits) - np.outer(update, update)
        return variance

    def expectation(self, logits: Array, function: Array) -> float:
        """E of any function of the group, given by its value for each row of `groups()`: (terms,) -> a number."""
        return float(self._probability(logits)[1] @ function)

    def groups(self) -> tuple[Array, Array, Array, Array, Array]:
        """Counts (terms, L), Â of each level (terms, L), Â_y (terms,), w of each level (terms, L), w_y (terms,)."""
        _, counts, A_o, A_y, w_o, w_y = self._groups
        return counts, A_o, A_y, w_o, w_y

    def _finite(self, logits: Array) -> Array:
        logits = np.asarray(logits, dtype=np.float64)
        require_same_shape(logits, self.rewards)
        if not np.isfinite(logits).all():
            raise ValueError(f"logits and rewards must be finite, got logits {logits}")
        return logits

    def _probability(self, logits: Array) -> tuple[Array, Array]:
        """Of each action given its level (K,), and of each group (terms,), under the sampling policy."""
        level_of, counts = self._groups[0], self._groups[1]
        log_pi = log_softmax(self._finite(logits) / self.temperature)
        log_p = np.array([np.logaddexp.reduce(log_pi[level_of == level]) for level in range(counts.shape[1])])
        return np.exp(log_pi - log_p[level_of]), probabilities(counts, log_p)

    def _moments(self, logits: Array) -> tuple[Array, GroupMoments]:
        share, probability = self._probability(logits)
        _, counts, _, _, w_o, w_y = self._groups
        return share, moments(counts, probability, w_o, w_y)

    def _columns(self, share: Array) -> Array:
        """B: (K, L + 1), the share of each action in each level, and e_y."""
        level_of = self._groups[0]
        columns = np.zeros((len(share), self._groups[1].shape[1] + 1))
        columns[np.arange(len(share)), level_of] = share
        columns[self.reference, -1] = 1
        return columns
