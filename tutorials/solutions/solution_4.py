"""Our answers to the exercises of tutorial 4."""

from itertools import product
from math import prod, sqrt


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


def _advantages(rewards: list[float]) -> list[float]:
    if max(rewards) == min(rewards):
        return [0.0] * len(rewards)
    mean = sum(rewards) / len(rewards)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in rewards) / len(rewards))
    return [(reward - mean) / deviation for reward in rewards]


def who_is_ahead() -> list[str]:
    """GRAO waits at y on the first only. On the second its steps are longer, on the third y is the best answer, on the
    fourth y is all that can be learned.
    """
    return ["GRPO", "GRAO", "GRAO", "GRAO"]


def best_settings() -> dict[str, str | float | int]:
    """Larger groups make fewer steps, and each of them can be longer. GRAO's plateau costs more than 500 rewards."""
    return {"method": "grpo", "learning_rate": 2.0, "num_generations": 16}
