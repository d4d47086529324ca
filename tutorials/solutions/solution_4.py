"""Our answers to the exercises of tutorial 4."""

from itertools import product
from math import prod, sqrt


def probability_of_silence(
    probabilities: list[float], rewards: list[float], group_size: int
) -> float:
    """One power for each different reward, not for each answer: a group of two different failures is dead too."""
    earned: dict[float, float] = {}
    for probability, reward in zip(probabilities, rewards, strict=True):
        earned[reward] = earned.get(reward, 0.0) + probability
    return sum(each**group_size for each in earned.values())


def expected_update(
    probabilities: list[float], rewards: list[float], group_size: int
) -> list[float]:
    """Each group's push, times the group's probability. The term −π cancels, because a group's weights add up to 0."""
    answers = range(len(rewards))
    push = [0.0] * len(rewards)
    for group in product(answers, repeat=group_size):
        probability = prod(probabilities[answer] for answer in group)
        advantages = _advantages([rewards[answer] for answer in group])
        for answer, advantage in zip(group, advantages, strict=True):
            weight = advantage / group_size
            for a in answers:
                push[a] += probability * weight * ((a == answer) - probabilities[a])
    return push


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
