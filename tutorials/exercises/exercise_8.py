"""Exercises of tutorial 8. Replace each `raise` by your answer, then: make exercise 8."""

from theory.ledger import Check


def deviation_check(rewards: list[float]) -> Check:
    """claim-6 speaks of σ_A, the deviation of a group's advantages. Check that |σ_A − 1| < 1e-9 for these rewards.

    Take the advantages from the package (`pool="outputs"`), in float64, and the population's deviation. And a control of your
    own: the same measurement, |σ − 1|, of numbers of the same group that eq-4 has not standardised, so that it comes out the
    other way. It has to follow the group, as a number that is typed does not.
    """
    raise NotImplementedError


def mean_improvement(grao: list[float], other: list[float]) -> float:
    """By how many percent GRAO improves on another method: relatively, column by column, and then the mean of that.

    With the four RAS of tables 1 and 2 this is the abstract's 57.70 % for SFT.
    """
    raise NotImplementedError


def falling_bandit() -> tuple[list[float], list[float]]:
    """Probabilities and rewards (0 to 1) of three answers where GRPO's expected step lowers V at G = 8.

    The tutorial's example falls at G = 2 and rises at G = 8. Why? Which of the three has to become rarer, or closer?
    """
    raise NotImplementedError
