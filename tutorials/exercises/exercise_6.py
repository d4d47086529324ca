"""Exercises of tutorial 6. Replace each `raise` by your answer, then: make exercise 6."""


def reward(prompt: str, answer: str) -> float:
    """The share of the six positions (five digits and the end) that are right.

    `prompt` is five different digits and '=', `answer` up to eight characters of which '.' is END. Shorter answers lose the
    positions they do not have; what stands behind the sixth position does not count.
    """
    raise NotImplementedError


def mask(tokens: list[int], end: int) -> list[bool]:
    """Which tokens of a sampled and padded answer count: all up to and with the first END.

    An answer that was cut off has no END, and all its tokens count. The padding may be anything, END included.
    """
    raise NotImplementedError


def token_weights(weight: float, mask: list[bool]) -> list[float]:
    """What eq-3 puts on each token's log-probability, if it puts `weight` on the answer's mean log-likelihood.

    0 where the mask is False. An answer without tokens has no weight to give.
    """
    raise NotImplementedError
