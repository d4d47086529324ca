"""Exercises of tutorial 5. Replace each `raise` by your answer, then run: make exercise 5."""


def equal_rewards() -> list[float]:
    """Find the planted bug: equal rewards for which `tutorials.planted.advantages` returns an advantage other than 0.

    The function is in `tutorials/planted.py`. Read it, and try groups.
    """
    raise NotImplementedError


def probability_dead(
    probabilities: list[float], rewards: list[float], group_size: int
) -> float:
    """The probability that all samples of a group earn the same, for any number of answers.

    Answer a is sampled with probabilities[a] and earns rewards[a]. Two different answers may earn the same.
    """
    raise NotImplementedError


def fewest_dead() -> list[bool]:
    """Predict, then compute: a group is about to be sampled. Which change makes it dead *less often*?

    Five answers, True or False. Now: success rate 2 %, G = 8, rewards 1 and 0, temperature 1. One change at a time:

    1. G = 32.
    2. A success rate of 98 %.
    3. Twice the learning rate, in the step that this group makes.
    4. Half of the failing answers earn 0.1, the others 0.
    5. Sampling at temperature 0.3: probabilities to the power 1 / 0.3, normalised again.
    """
    raise NotImplementedError


def logged_loss(
    new: list[float], old: list[float], rewards: list[float], epsilon: float
) -> float:
    """GRPO's loss, as it is logged: minus the mean over the group of min(r Â, clip(r, 1 − ε, 1 + ε) Â).

    `new` and `old` are the *probabilities* of the samples now and when they were sampled; r = new / old. Â is eq-4 over
    the samples only, with the population deviation; in a dead group it is 0.
    """
    raise NotImplementedError
