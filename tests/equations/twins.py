"""Every equation a second time, in plain Python: no tensors, no masks, no vectorisation, one loop per Σ.

Sequences are lists of the tokens that count, so padding can't matter here. Numbers are Fractions where
the equation is rational and mpmath's 50-digit floats where it is not, so that a difference from the
package is the package's rounding. Written from paper.md and the cited papers, not from the package.
"""

from collections.abc import Sequence
from fractions import Fraction

from mpmath import exp, log, mp, mpf, sqrt

mp.dps = 50
Numbers = Sequence[float]


def advantages(rewards: Numbers, reference: float, pool: str) -> tuple[list[mpf], mpf]:
    """eq-4."""
    members = [mpf(r) for r in rewards] + ([mpf(reference)] if pool == "with_reference" else [])
    mu = sum(members) / len(members)
    sigma = sqrt(sum((r - mu) ** 2 for r in members) / len(members))
    if sigma == 0:
        return [mpf(0) for _ in rewards], mpf(0)
    return [(mpf(r) - mu) / sigma for r in rewards], (mpf(reference) - mu) / sigma


def mean_loglik(logprobs: Numbers) -> Fraction:
    """The inner mean of eq-1 and eq-3."""
    return sum((Fraction(x) for x in logprobs), Fraction(0)) / max(len(logprobs), 1)


def grao(
    output_loglik: Numbers,
    reference_loglik: float,
    advantage: Numbers,
    reference_advantage: float,
    beta: float,
    lam: float,
) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """eq-3 as it is printed: one bracket for each output, β's term inside the mean."""
    size = len(output_loglik)
    J_y, A_y = Fraction(reference_loglik), Fraction(reference_advantage)
    exploration = imitation = alignment = total = Fraction(0)
    for J_o, A_o in zip(map(Fraction, output_loglik), map(Fraction, advantage), strict=True):
        total += A_o * J_o + Fraction(beta) * A_y * J_y + Fraction(lam) * A_o * (J_o - J_y)
        exploration += A_o * J_o
        imitation += A_y * J_y
        alignment += A_o * (J_o - J_y)
    return exploration / size, imitation / size, alignment / size, total / size


def log_softmax(logits: Numbers, temperature: float = 1.0) -> list[mpf]:
    """log( e^(z_k/τ) / Σ_j e^(z_j/τ) )."""
    scaled = [mpf(z) / mpf(temperature) for z in logits]
    normaliser = log(sum(exp(z) for z in scaled))
    return [z - normaliser for z in scaled]


def clipped(logprob: float, old_logprob: float, advantage: float, low: float, high: float) -> mpf:
    """PPO's and GRPO's term of one token."""
    ratio = exp(mpf(logprob) - mpf(old_logprob))
    inside = min(max(ratio, 1 - mpf(low)), 1 + mpf(high))
    return min(ratio * mpf(advantage), inside * mpf(advantage))


def token_rewards(score: float, logprobs: Numbers, ref_logprobs: Numbers, kl_coef: float) -> list[Fraction]:
    """PPO's rewards of one sequence."""
    rewards = [-Fraction(kl_coef) * (Fraction(p) - Fraction(r)) for p, r in zip(logprobs, ref_logprobs, strict=True)]
    if rewards:
        rewards[-1] += Fraction(score)
    return rewards


def gae(rewards: Numbers, values: Numbers, gamma: float, lam: float) -> list[Fraction]:
    """The double sum A_t = Σ_k (γλ)^k δ_(t+k) of one sequence, not the recursion."""
    gamma, lam = Fraction(gamma), Fraction(lam)
    value = [Fraction(v) for v in values] + [Fraction(0)]
    delta = [Fraction(r) + gamma * value[t + 1] - value[t] for t, r in enumerate(rewards)]
    return [sum(((gamma * lam) ** k * d for k, d in enumerate(delta[t:])), Fraction(0)) for t in range(len(delta))]


def value_error(value: float, old_value: float, target: float, clip_range: float) -> Fraction:
    """PPO's clipped value loss of one token."""
    value, old_value, target, c = map(Fraction, (value, old_value, target, clip_range))
    near = old_value + min(max(value - old_value, -c), c)
    return max((value - target) ** 2, (near - target) ** 2) / 2


def dpo(chosen: float, rejected: float, ref_chosen: float, ref_rejected: float, kl_coef: float) -> mpf:
    """log σ(kl_coef Δ)."""
    margin = (mpf(chosen) - mpf(ref_chosen)) - (mpf(rejected) - mpf(ref_rejected))
    return -log(1 + exp(-mpf(kl_coef) * margin))


def ipo(chosen: float, rejected: float, ref_chosen: float, ref_rejected: float, kl_coef: float) -> mpf:
    """−(Δ − 1/(2 kl_coef))²."""
    margin = (mpf(chosen) - mpf(ref_chosen)) - (mpf(rejected) - mpf(ref_rejected))
    return -((margin - 1 / (2 * mpf(kl_coef))) ** 2)


def kl(logprobs: Numbers, ref_logprobs: Numbers) -> mpf:
    """KL(π ‖ π_ref) over all actions."""
    return sum(exp(mpf(p)) * (mpf(p) - mpf(r)) for p, r in zip(logprobs, ref_logprobs, strict=True))


def k3(logprob: float, ref_logprob: float) -> mpf:
    """e^r − 1 − r, in enough digits."""
    r = mpf(ref_logprob) - mpf(logprob)
    return exp(r) - 1 - r


def ras(scores: Numbers, tie: Fraction = Fraction(0)) -> Fraction:
    """eq-5."""
    return sum((Fraction(1) if s > 0 else tie if s == 0 else Fraction(0) for s in scores), Fraction(0)) / len(scores)


def nag(after: Numbers, before: Numbers, signed: bool = False) -> Fraction:
    """eq-6."""
    wins = sum(1 for a, b in zip(after, before, strict=True) if a > b)
    losses = sum(1 for a, b in zip(after, before, strict=True) if a < b)
    return Fraction(wins - losses if signed else wins, len(after))
