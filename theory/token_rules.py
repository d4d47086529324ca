"""The contestants of exp-race where answers have several tokens: weights on the tokens of a group, in numpy.

A rule takes what was seen of N groups and returns a `Push`: w on log π of each token of the samples and of y. Then the
update is Σ w ∇log π. At the policy that has sampled, where every ratio is 1, this is the gradient of the package's
objective of that name (tests/theory/test_token_rules.py: by autograd, to 1e-12). Written from the papers' formulas,
without the package's functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from theory.groups import Array

BETA, LAM = 0.5, 0.6
LONGEST = 8  # Dr. GRPO's constant length: `max_completion_length` of the preset
GAMMA, MU, CLIP = 0.1, 0.1, 0.2  # LUFFY's γ, CHORD's μ, the ratio's ε
CRITIC, DECAY = 0.5, 0.95  # PPO's weight of the critic's error, and λ of its advantages
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """N groups of G samples, each of up to T tokens, and the reference of each."""

    rewards: Array  # (N, G)
    score: Array  # (N,), R(y)
    log_pi: Array  # (N, G, T), of the samples' tokens, 0 behind the end
    mask: Mask  # (N, G, T), True on the samples' tokens
    log_y: Array  # (N, T), of y's tokens, 0 behind the end
    mask_y: Mask  # (N, T)
    values: Array  # (N, G, T), the critic's V before each token, 0 behind the end

    @property
    def over(self) -> Array:
        """1/|o| on the samples' tokens: (N, G, T)."""
        over: Array = self.mask / self.mask.sum(-1, keepdims=True)
        return over

    @property
    def over_y(self) -> Array:
        """1/|y| on y's tokens: (N, T)."""
        over: Array = self.mask_y / self.mask_y.sum(-1, keepdims=True)
        return over

    @property
    def behind(self) -> Mask:
        """True where no sample is as good as y: (N,)."""
        return np.asarray((self.rewards < self.score[:, None]).all(-1))


@dataclass(frozen=True)
class Push:
    """w of each token; and of the critic's V before it, for PPO."""

    samples: Array  # (N, G, T)
    reference: Array  # (N, T)
    critic: Array | None = None  # (N, G, T)


Rule = Callable[[Seen], Push]


def standardized(values: Array, pool: Array) -> Array:
    """(values − μ) / σ by rows, with the pool's mean and population deviation; 0 where the pool is flat."""
    low = pool.min(-1, keepdims=True)
    span = pool.max(-1, keepdims=True) - low
    flat = span == 0
    values, pool = ((each - low) / np.where(flat, 1, span) for each in (values, pool))
    sigma = np.where(flat, 1, pool.std(-1, keepdims=True))
    found: Array = np.where(flat, 0, (values - pool.mean(-1, keepdims=True)) / sigma)
    return found


def outputs(seen: Seen) -> Array:
    """Â_i over the samples: (N, G)."""
    return standardized(seen.rewards, seen.rewards)


def pooled(seen: Seen) -> tuple[Array, Array]:
    """Â_i (N, G) and Â_y (N,), with y in the pool."""
    members = np.concatenate([seen.rewards, seen.score[:, None]], -1)
    A = standardized(members, members)
    return A[:, :-1], A[:, -1]


def mean_likelihoods(seen: Seen, w_o: Array, w_y: Array | None = None) -> Push:
    """Σ_i w_i J(o_i) + w_y J(y), J the mean over an answer's tokens."""
    return Push(w_o[..., None] * seen.over, seen.over_y * (0.0 if w_y is None else w_y[:, None]))


def grpo(seen: Seen) -> Push:
    """Â_i / G."""
    return mean_likelihoods(seen, outputs(seen) / seen.rewards.shape[1])


def rloo(seen: Seen) -> Push:
    """(R_i − mean of the others) / G."""
    size = seen.rewards.shape[1]
    return mean_likelihoods(seen, (seen.rewards - seen.rewards.mean(-1, keepdims=True)) / (size - 1))


def dr_grpo(seen: Seen) -> Push:
    """(R_i − μ) / G, each token over a constant length."""
    w_o = (seen.rewards - seen.rewards.mean(-1, keepdims=True)) / seen.rewards.shape[1]
    return Push(w_o[..., None] * seen.mask / LONGEST, np.zeros_like(seen.log_y))


def ppo(seen: Seen) -> Push:
    """Generalised advantages of a critic with a value for each prefix, and the step of that critic."""
    last = seen.mask & ~np.concatenate([seen.mask[..., 1:], np.zeros_like(seen.mask[..., :1])], -1)
    after = np.concatenate([seen.values[..., 1:], np.zeros_like(seen.values[..., :1])], -1)
    delta = np.where(seen.mask, seen.rewards[..., None] * last + after - seen.values, 0.0)
    A = np.zeros_like(delta)
    ahead = np.zeros_like(delta[..., 0])
    for t in reversed(range(delta.shape[-1])):
        A[..., t] = ahead = delta[..., t] + DECAY * ahead
    each = seen.over / seen.rewards.shape[1]
    return Push(each * A, np.zeros_like(seen.log_y), CRITIC * each * A)


def chord(seen: Seen) -> Push:
    """GRPO beside SFT whose tokens weigh π (1 − π)."""
    pi = np.exp(seen.log_y)
    return Push((1 - MU) * grpo(seen).samples, MU * pi * (1 - pi) * seen.over_y)


def luffy(seen: Seen) -> Push:
    """GRPO on samples and y as one group, y's ratio shaped by x / (x + γ)."""
    A_o, A_y = pooled(seen)
    size, pi = seen.rewards.shape[1], np.exp(seen.log_y)
    slope = GAMMA * pi / (pi + GAMMA) ** 2
    return Push((A_o / (size + 1))[..., None] * seen.over, A_y[:, None] / (size + 1) * slope * seen.over_y)


def srft(seen: Seen) -> Push:
    """SFT and RL weighed by the entropy; the best of the group are raised, all others lowered."""
    entropy = -(seen.log_pi * seen.over).sum(-1).mean(-1)
    known = np.maximum(seen.rewards.max(-1), seen.score)
    sign = np.where(seen.rewards >= known[:, None], 0.1 * np.exp(entropy)[:, None], -1.0)
    A_y, pi = pooled(seen)[1][:, None], np.exp(seen.log_y)
    trace = np.where((A_y > 0) | (pi >= 1 - CLIP), A_y * pi, 0.0)
    return Push((sign / sign.shape[1])[..., None] * seen.over, (0.5 * np.exp(-entropy)[:, None] + trace) * seen.over_y)


def hpt(seen: Seen) -> Push:
    """SFT where no sample is as good as y, GRPO elsewhere."""
    w_o = np.where(seen.behind[:, None], 0.0, outputs(seen) / seen.rewards.shape[1])
    return mean_likelihoods(seen, w_o, seen.behind.astype(float))


def grao(seen: Seen, *, while_ahead: bool) -> Push:
    """eq-3 with y in the pool: as printed, or with max(w_y, 0)."""
    A_o, A_y = pooled(seen)
    w_y = BETA * A_y - LAM * A_o.mean(-1)
    return mean_likelihoods(seen, (1 + LAM) * A_o / A_o.shape[1], np.maximum(w_y, 0) if while_ahead else w_y)


def capped(seen: Seen, factor: Array | float = 1.0) -> Push:
    """Repaired GRAO that imitates only where no sample is as good as y; `factor` on the samples' weights."""
    A_o, A_y = pooled(seen)
    w_y = np.where(seen.behind, np.maximum(BETA * A_y - LAM * A_o.mean(-1), 0), 0.0)
    return mean_likelihoods(seen, factor * (1 + LAM) * A_o / A_o.shape[1], w_y)


def surprise(seen: Seen) -> Push:
    """The same, a sample's weight by how unlikely it was."""
    exponent = pooled(seen)[0] * (seen.log_pi * seen.over).sum(-1)
    return capped(seen, 2 / (1 + np.exp(np.minimum(exponent, 700.0))))


def bar(seen: Seen, *, beta: float, lam: float) -> Push:
    """(Â_i − max(Â_y, mean Â)) / G; y is imitated where no sample is as good."""
    A_o, A_y = pooled(seen)
    size = A_o.shape[1]
    above = A_o - np.maximum(A_y, A_o.mean(-1))[:, None]
    return mean_likelihoods(seen, (1 + lam) / size * above, np.where(seen.behind, (beta + lam / size) * A_y, 0.0))


def sft(seen: Seen) -> Push:
    """J(y) alone; it needs no samples."""
    return Push(np.zeros_like(seen.log_pi), seen.over_y)


RULES: dict[str, Rule] = {  # by the names of `theory.contest.CONTESTANTS`
    "GRPO": grpo,
    "RLOO": rloo,
    "Dr. GRPO": dr_grpo,
    "PPO": ppo,
    "SFT, then GRPO": grpo,
    "CHORD-φ": chord,
    "LUFFY": luffy,
    "SRFT": srft,
    "HPT": hpt,
    "GRAO printed": partial(grao, while_ahead=False),
    "GRAO repaired": partial(grao, while_ahead=True),
    "capped": capped,
    "surprise": surprise,
    "bar": partial(bar, beta=BETA, lam=LAM),
    "bar, no imitation": partial(bar, beta=0.0, lam=0.0),
}
