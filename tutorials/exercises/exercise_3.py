"""Exercises of tutorial 3. Replace each `raise` by your answer, then: make exercise 3."""


def probability_of_silence(
    probabilities: list[float], rewards: list[float], group_size: int
) -> float:
    """The probability that all samples of a group earn the same, for any number of answers.

    Answer a is sampled with probabilities[a] and earns rewards[a]. Two different answers may earn the same.
    """
    raise NotImplementedError


def expected_update(
    probabilities: list[float], rewards: list[float], group_size: int
) -> list[float]:
    """GRPO's expected push on each logit of a table, by going through all K^G groups.

    Each group is an ordered row of G answers. A sample i of it pushes the logits by its weight Â_i / G times the
    gradient of log π(o_i), which on a table is 1 at o_i and 0 elsewhere, minus the probabilities. eq-4 over the samples
    alone, the population's deviation, and no advantage in a dead group. `itertools.product` goes through the rows.
    """
    raise NotImplementedError


def logged_objective(
    new: list[float], old: list[float], rewards: list[float], epsilon: float
) -> float:
    """GRPO's objective, as a log shows it: the mean over the group of min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â).

    `new` and `old` are the *probabilities* of the samples now and when they were sampled; ρ = new / old.
    """
    raise NotImplementedError
