"""Our answers to the exercises of tutorial 11."""

from math import sqrt


def wilson(count: int, number: int) -> tuple[float, float]:
    """The two roots of (f − p)² = z² p (1 − p) / n. They are in [0, 1], up to rounding."""
    f, s = count / number, 1.96**2 / number
    middle, half = f + s / 2, sqrt(f * (1 - f) * s + s * s / 4)
    return max((middle - half) / (1 + s), 0.0), min((middle + half) / (1 + s), 1.0)


def divergence(
    logprobs: list[list[float]],
    base_logprobs: list[list[float]],
    mask: list[list[bool]],
) -> float:
    """Σ over an answer's real tokens of log π − log π₀, and the mean over answers."""
    answers = [
        sum(now - before for now, before, real in zip(*rows, strict=True) if real)
        for rows in zip(logprobs, base_logprobs, mask, strict=True)
    ]
    return sum(answers) / len(answers)


def step_to_keep(reward: list[float], second: list[float]) -> int:
    """The largest pair; `max` returns the first of equals."""
    return max(range(len(second)), key=lambda step: (second[step], reward[step]))
