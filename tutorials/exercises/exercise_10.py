"""Exercises of tutorial 10. Replace each `raise` by your answer, then run: make exercise 10."""


def reward(prompt: str, answer: str) -> float:
    """The share of the six positions (five digits and the end) that are right.

    `prompt` is five different digits and '='. `answer` has up to eight characters; '.' is END. In a shorter answer the
    missing positions are wrong. Characters after the sixth position do not count.
    """
    raise NotImplementedError


def mask(tokens: list[int], end: int) -> list[bool]:
    """Which tokens of a sampled and padded answer count: all up to the first END, which counts too.

    A truncated answer has no END, and all its tokens count. The padding may be any token, also END.
    """
    raise NotImplementedError


def token_weights(weight: float, mask: list[bool]) -> list[float]:
    """The weight of eq-3 on each token's log-probability, if the answer's mean log-likelihood has the weight `weight`.

    0 where the mask is False. If an answer has no tokens, all are 0.
    """
    raise NotImplementedError
