"""Exercises of tutorial 4. Replace each `raise` by your answer, then run: make exercise 4."""


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
    """GRPO's expected push on each logit of a table, computed from all K^G groups.

    Each group is an ordered row of G answers. Sample i of a group pushes the logits by its weight Â_i / G times the
    gradient of log π(o_i). On a table this gradient is 1 at o_i and 0 elsewhere, minus the probabilities. Use eq-4 over
    the samples only, with the population deviation. In a dead group every advantage is 0. `itertools.product` lists the
    groups.
    """
    raise NotImplementedError


def logged_loss(
    new: list[float], old: list[float], rewards: list[float], epsilon: float
) -> float:
    """GRPO's loss, as it is logged: minus the mean over the group of min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â).

    `new` and `old` are the *probabilities* of the samples now and when they were sampled; ρ = new / old.
    """
    raise NotImplementedError
