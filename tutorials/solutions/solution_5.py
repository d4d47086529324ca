"""Our answers to the exercises of tutorial 5."""

from math import sqrt


def equal_rewards() -> list[float]:
    """The mean of three 0.7 is rounded to another number than 0.7, so σ is 1e-16 and `if sigma == 0` misses it."""
    return [0.7, 0.7, 0.7]


def probability_dead(
    probabilities: list[float], rewards: list[float], group_size: int
) -> float:
    """One power for each different reward, not for each answer: a group of two different failures is dead too."""
    earned: dict[float, float] = {}
    for probability, reward in zip(probabilities, rewards, strict=True):
        earned[reward] = earned.get(reward, 0.0) + probability
    return sum(each**group_size for each in earned.values())


def fewest_dead() -> list[bool]:
    """98 % is as dead as 2 %; the learning rate does not change this group; a low temperature makes success rarer."""
    return [True, False, False, True, False]


def logged_loss(
    new: list[float], old: list[float], rewards: list[float], epsilon: float
) -> float:
    """If no probability has changed, every ratio is 1, and the loss is minus the mean of the advantages, 0."""
    terms = []
    for now, before, advantage in zip(new, old, _advantages(rewards), strict=True):
        ratio = now / before
        clipped = min(max(ratio, 1 - epsilon), 1 + epsilon)
        terms.append(min(ratio * advantage, clipped * advantage))
    return -sum(terms) / len(terms)


def _advantages(rewards: list[float]) -> list[float]:
    if max(rewards) == min(rewards):
        return [0.0] * len(rewards)
    mean = sum(rewards) / len(rewards)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in rewards) / len(rewards))
    return [(reward - mean) / deviation for reward in rewards]
