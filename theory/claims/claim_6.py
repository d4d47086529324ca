"""claim-6: the bound on λ for gradient stability."""

from math import sqrt

import numpy as np

from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim

G = 8
REWARDS = np.array([1.0, 0.5, 0.0])
START = np.log([0.1, 0.2, 0.7])


def noise_to_signal(lam: float, size: int = G) -> float:
    """√tr Cov(ĝ) / ‖F‖ in `outputs` without imitation: the noise of a step relative to its mean."""
    bandit = ExactBandit(REWARDS, 1, size, 0.0, lam, "outputs")
    return float(sqrt(np.trace(bandit.variance(START))) / np.linalg.norm(bandit.update(START)))


@claim(
    "claim-6",
    "λ = O(1/σ_A²) maintains gradient stability.",
    topic="convergence",
    answer={
        "fails": "No: the deviation in this rule is always 1, and without imitation the regulariser's weight scales "
        "noise and signal of a step alike."
    },
)
def claim_6(run: Run) -> Finding:
    """Over its pool mean Â² = 1 exactly (thm-2), so σ_A = 1 for every reward, and λ = O(1) only says that λ is a
    number. λ does not affect stability either: without imitation it multiplies every step by 1 + λ, noise and signal
    alike.
    """
    rng = np.random.default_rng(0)
    rewards = np.concatenate([rng.normal(size=(500, G)) * scale for scale in (1e-3, 1.0, 1e3)])
    centred = rewards - rewards.mean(1, keepdims=True)
    deviations = (centred / rewards.std(1, keepdims=True)).std(1)
    change = abs(noise_to_signal(100.0) / noise_to_signal(0.0) - 1)
    return Finding(
        "Empty: σ_A is 1 by construction, and the noise of a step relative to its signal is the same at λ = 0 and "
        "at 100.",
        fails=[
            Check(what="|σ_A − 1| over rewards of scales 10⁻³ to 10³",
                  measured=float(np.abs(deviations - 1).max()), test="<", limit=1e-9,
                  control="σ of the rewards themselves", control_measured=float(np.abs(rewards.std(1) - 1).max())),
            Check(what="relative change of noise / signal from λ = 0 to λ = 100", measured=change, test="<", limit=1e-9,
                  control="from G = 8 to G = 4",
                  control_measured=abs(noise_to_signal(0.6, 4) / noise_to_signal(0.6) - 1)),
        ],
        numbers={f"noise / signal, λ = {lam:g}": noise_to_signal(lam) for lam in (0.0, 0.6, 100.0)},
    )  # fmt: skip
