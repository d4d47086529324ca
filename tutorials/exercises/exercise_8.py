"""Exercises of tutorial 8. Replace each `raise` by your answer, then run: make exercise 8."""


def repaired_weight(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> float:
    """The weight of the repaired objective on the reference's log-likelihood, for any advantages."""
    raise NotImplementedError


def not_repaired() -> tuple[list[float], float]:
    """Find the planted bug: rewards of a group, and a reference's reward, for which `tutorials.planted.repaired` is < 0.

    It gets the advantages of eq-4 with the reference in the pool, β = 0.5 and λ = 0.6.
    """
    raise NotImplementedError


def never_vanishes(beta: float, lam: float, group_size: int) -> float:
    """The length of the printed objective's expected update when the policy is certain of an answer better than y."""
    raise NotImplementedError


def bar_weights(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """The weights of the bar on each sample and on the reference. σ and Â_y are those of the pool with the reference.

    If all rewards, the reference's included, are equal, all weights are 0.
    """
    raise NotImplementedError
