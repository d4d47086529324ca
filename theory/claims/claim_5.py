"""claim-5, claim-6, A1, A2, A5: step sizes, weights and smoothness."""

from math import sqrt

import numpy as np
import torch

from theory.exact import ExactBandit
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

G, LAM = 8, 0.6
REWARDS = np.array([1.0, 0.5, 0.0])
START = np.log([0.1, 0.2, 0.7])


def frozen_smoothness(beta: float) -> float:
    """L of eq-3 for frozen samples: its Hessian is −(Σ w)(diag π − π πᵀ), so L = sup |Σ w| / 2, over all groups."""
    counts, _, _, w_o, w_y = ExactBandit(REWARDS, 1, G, beta, LAM).groups()
    return float(np.abs((counts * w_o).sum(1) + w_y).max()) / 2


def threshold() -> float:
    """The β that solves β = 1 / (L(β) ‖∇J_ref‖) at the start: claim-5's bound, which depends on β itself through L."""
    norm = float(np.linalg.norm(np.eye(3)[1] - np.exp(START)))
    low, high = 1e-3, 1e3
    for _ in range(100):
        middle = sqrt(low * high)
        low, high = (middle, high) if middle * frozen_smoothness(middle) * norm < 1 else (low, middle)
    return low


def outcome(beta: float, steps: int) -> float:
    """V after exact ascent with the repaired field, η = 0.2."""
    bandit, theta = ExactBandit(REWARDS, 1, G, beta, LAM, only_when_ahead=True), START
    for _ in range(steps):
        theta = theta + 0.2 * bandit.update(theta)
    return bandit.value(theta)


def dominance(beta: float) -> float:
    """|w_y| / (Σ|w_i| + |w_y|) in a group whose samples all fail: (β + λ/G) √G against (1 + λ)/√G."""
    own = (beta + LAM / G) * sqrt(G)
    return own / (own + (1 + LAM) / sqrt(G))


@claim("claim-5", "0 < β < 1/(L E‖∇J_ref‖) prevents imitation dominance.")
def claim_5(run: Run) -> Finding:
    """L of eq-3 grows with β, so the bound is on both sides of itself; solved at one start by bisection. If dominance
    means that the reference has more weight than all samples together, it holds in a group of failures exactly for
    β > 1/G: (β + λ/G) √G > (1 + λ)/√G. That has nothing to do with L or ‖∇J_ref‖. And nothing happens at the threshold:
    the outcome is as smooth in β there as anywhere.
    """
    limit, steps = threshold(), run.pick(10, 15, 15)
    across = abs(outcome(1.02 * limit, steps) - outcome(0.98 * limit, steps))
    grid = [limit * x for x in run.pick([0.03, 10], [0.03, 0.1, 0.3, 1, 3, 10], [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30])]
    found = {beta: outcome(beta, steps) for beta in grid}
    span = max(found.values()) - min(found.values())
    return Finding(
        f"The threshold is β = {limit:.2f} here. At half of it imitation has "
        f"{dominance(limit / 2):.0%} of the weight in a "
        f"group of failures; it stops dominating below β = 1/G = {1 / G:g}, which no L enters.",
        fails=[
            Check("imitation's share of the weight at half the threshold", dominance(limit / 2), ">", 0.5,
                  "at β just below 1/G", dominance(0.99 / G)),
            Check("share of V's range over the grid that lies within 2 % of the threshold", across / span, "<", 0.05,
                  "within a factor of 3", abs(outcome(3 * limit, steps) - outcome(limit / 3, steps)) / span),
        ],
        numbers={"threshold": limit, "imitation's share at β = 0.5": dominance(0.5)}
        | {f"V after {steps} steps, β = {beta:.3g}": value for beta, value in found.items()},
    )  # fmt: skip


def noise_to_signal(lam: float, size: int = G) -> float:
    """√tr Cov(ĝ) / ‖F‖ in `outputs` without imitation: what a step's direction owes to chance."""
    bandit = ExactBandit(REWARDS, 1, size, 0.0, lam, "outputs")
    return float(sqrt(np.trace(bandit.variance(START))) / np.linalg.norm(bandit.update(START)))


@claim("claim-6", "λ = O(1/σ_A²) maintains gradient stability.")
def claim_6(run: Run) -> Finding:
    """Over its pool mean Â² = 1 exactly (thm-2), so σ_A = 1 for every reward: λ = O(1) says that λ is a number. Nor
    does λ touch stability: without imitation it multiplies every step by 1 + λ, noise and signal alike.
    """
    rng = np.random.default_rng(0)
    rewards = np.concatenate([rng.normal(size=(500, G)) * scale for scale in (1e-3, 1.0, 1e3)])
    centred = rewards - rewards.mean(1, keepdims=True)
    deviations = (centred / rewards.std(1, keepdims=True)).std(1)
    change = abs(noise_to_signal(100.0) / noise_to_signal(0.0) - 1)
    return Finding(
        "Empty: σ_A is 1 by construction, and the noise of a step relative to its signal is the same "
        "at λ = 0 and at 100.",
        fails=[
            Check("|σ_A − 1| over rewards of scales 10⁻³ to 10³", float(np.abs(deviations - 1).max()), "<", 1e-9,
                  "σ of the rewards themselves", float(np.abs(rewards.std(1) - 1).max())),
            Check("relative change of noise / signal from λ = 0 to λ = 100", change, "<", 1e-9, "from G = 8 to G = 4",
                  abs(noise_to_signal(0.6, 4) / noise_to_signal(0.6) - 1)),
        ],
        numbers={f"noise / signal, λ = {lam:g}": noise_to_signal(lam) for lam in (0.0, 0.6, 100.0)},
    )  # fmt: skip


def lipschitz(rewards: Array, pool: str, reach: float, points: int) -> float:
    """Largest ‖∂F/∂θ‖ over a grid of logits."""
    bandit, axis = ExactBandit(rewards, 2, G, pool=pool), np.linspace(-reach, reach, points)
    return max(float(np.linalg.norm(bandit.jacobian(np.array([a, b, 0.0])), 2)) for a in axis for b in axis)


@claim("A1", "J is L-smooth.")
def a_1(run: Run) -> Finding:
    """The on-policy field has no J (thm-5); smooth can only mean that F is Lipschitz. It is in `with_reference`, where
    all weights are bounded; in `outputs` the constant grows like 1 over the gap of a near-tie: no L serves all rewards.
    """
    points = run.pick(5, 15, 41)
    constants = {(pool, gap): lipschitz(np.array([1.0, 1 - gap, 0.5]), pool, 6, points)
                 for pool in ("with_reference", "outputs") for gap in (0.1, 0.001)}  # fmt: skip
    growth = {pool: constants[pool, 0.001] / constants[pool, 0.1] for pool in ("with_reference", "outputs")}
    return Finding(
        f"Lipschitz with the reference pooled (‖∂F‖ <= {constants['with_reference', 0.001]:.1f} "
        "whatever the tie), not without.",
        holds=[Check("growth of sup ‖∂F‖ as a tie's gap goes from 0.1 to 0.001, reference pooled",
                     growth["with_reference"], "<", 2.0, "`outputs`", growth["outputs"])],
        fails=[Check("the same in `outputs`", growth["outputs"], ">", 20.0, "reference pooled",
                     growth["with_reference"])],
        numbers={f"sup ‖∂F‖, {pool}, gap {gap:g}": value for (pool, gap), value in constants.items()},
    )  # fmt: skip


def log_gradient(scale: float, table: bool) -> float:
    """‖∇log π(a)‖ of a table, and of the smallest network there is: two logits ±u·v, at u = v = scale."""
    weights = torch.full((2,), scale, dtype=torch.float64, requires_grad=True)
    logits = weights if table else torch.stack([weights[0] * weights[1], -weights[0] * weights[1]])
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[1], weights)
    return float(gradient.norm())


@claim("A2", "‖∇log π‖ <= B.")
def a_2(run: Run) -> Finding:
    """A softmax table: ∇log π(a) = e_a − π, of length below √2, approached as π(a) -> 0 and another action takes all.
    A network: logits u·v and −u·v have ∇ proportional to the weights, unbounded on an unbounded parameter space.
    """
    rng = np.random.default_rng(0)
    policies = rng.dirichlet([0.02] * 4, size=run.pick(500, 5000, 50000))
    lengths = [np.linalg.norm(np.eye(4) - pi, axis=1).max() for pi in policies]
    return Finding(
        "With B = √2 in a table; in a network only while its weights stay bounded, which training does not enforce.",
        holds=[Check("largest ‖e_a − π‖ over random policies", float(max(lengths)), "<", sqrt(2) + 1e-9,
                     "the network at weights of 100", log_gradient(100.0, table=False))],
        fails=[Check("‖∇log π‖ of the network, weights 100 over weights 10",
                     log_gradient(100.0, False) / log_gradient(10.0, False), ">", 5.0, "of a table",
                     log_gradient(100.0, True) / log_gradient(10.0, True))],
    )  # fmt: skip


@claim("A5", "Robbins-Monro steps: Σ η_k = ∞ and Σ η_k² < ∞.")
def a_5(run: Run) -> Finding:
    """A choice, and one that η_k = k^−a with ½ < a <= 1 meets: Σ k^−a diverges, Σ k^−2a converges (integral test). The
    paper's own runs have a constant rate (1e-6) under Adam: Σ η_k² = ∞, so claim-1 is not about them.
    """
    steps = np.arange(1, 10**6 + 1, dtype=np.float64)
    decades = {a: _last_decade(steps**-a) for a in (0.0, 0.6)}
    squares = {a: _last_decade(steps ** (-2 * a)) for a in (0.0, 0.6)}
    return Finding(
        f"Of Σ η² with η = k^−0.6 the last decade of 10⁶ steps adds {squares[0.6]:.1%}, of a constant rate's 90 %.",
        holds=[
            Check("share of Σ η_k² in the last decade of 10⁶ steps, k^−0.6", squares[0.6], "<", 0.1, "constant rate",
                  squares[0.0]),
            Check("share of Σ η_k there", decades[0.6], ">", 0.4, "k^−1.2, which stops", _last_decade(steps**-1.2)),
        ],
        fails=[Check("share of Σ η_k² there at the paper's constant rate", squares[0.0], ">", 0.5, "k^−0.6",
                     squares[0.6])],
    )  # fmt: skip


def _last_decade(terms: Array) -> float:
    return float(terms[len(terms) // 10 :].sum() / terms.sum())
