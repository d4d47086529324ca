"""How far an expected update points along the gradient of the expected reward: for thm-6 and claim-8."""

from itertools import product

import numpy as np

from theory.exact import ExactBandit
from theory.groups import Array

START, NEAR = np.array([0.25, 0.745, 0.005]), np.array([1.0, 0.999, 0.0])  # where nearly every step loses


def alignment(bandit: ExactBandit, pi: Array) -> float:
    """⟨F, ∇V⟩: the rate at which an infinitesimal step changes the expected reward."""
    logits = np.log(pi)
    return float(bandit.update(logits) @ bandit.gradient(logits))


def natural_alignment(bandit: ExactBandit, pi: Array) -> float:
    """⟨F, ∇V⟩ in the natural geometry, Σ F_a (R_a − V): the Fisher matrix takes R − V to ∇V."""
    logits = np.log(pi)
    return float(bandit.update(logits) @ (bandit.rewards - pi @ bandit.rewards))


def fixed_policy(size: int) -> float:
    """⟨F, ∇V⟩ of GRPO at one policy for every G."""
    return alignment(ExactBandit(NEAR, 0, size, 0.0, 0.0, "outputs"), START)


def grid(actions: int, points: int) -> list[Array]:
    """Policies over so many answers, geometrically spaced towards the corners."""
    weights = np.geomspace(1e-3, 1, points)
    each = [np.array(row) / sum(row) for row in product(weights, repeat=actions)]
    return list({tuple(np.round(pi, 12)): pi for pi in each}.values())
