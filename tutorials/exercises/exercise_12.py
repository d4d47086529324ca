"""Exercises of tutorial 12. Replace each `raise` by your answer, then run: make exercise 12."""

from theory.ledger import Check


def deviation_check(rewards: list[float]) -> Check:
    """claim-6 is about σ_A, the deviation of a group's advantages. Check that |σ_A − 1| < 1e-9 for these rewards.

    Take the advantages from the package (`pool="outputs"`), in float64, and the population deviation. Choose a control:
    the same measurement, |σ − 1|, of numbers of the same group that eq-4 has not standardised, so that the result is the
    opposite. The control must be computed from the group; a constant is not a measurement.
    """
    raise NotImplementedError


def mean_improvement(grao: list[float], other: list[float]) -> float:
    """GRAO's relative improvement over another method, in percent: for each column, and then the mean over columns.

    With the four RAS of tables 1 and 2 this is the abstract's 57.70 % for SFT.
    """
    raise NotImplementedError


def falling_bandit() -> tuple[list[float], list[float]]:
    """Probabilities and rewards (0 to 1) of three answers where GRPO's expected step lowers V at G = 8.

    In the tutorial's example V falls at G = 2 and rises at G = 8. Why? Which answer has to become rarer, or which rewards
    closer?
    """
    raise NotImplementedError
