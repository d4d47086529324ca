"""Our answers to the exercises of tutorial 2."""

import torch


def prediction() -> tuple[str, str]:
    """10 · E[∇log π] = 0, so the mean stays; each vector is about 20 times as long, so the variance does not."""
    return "same", "hundredfold"


def best_baseline(probabilities: list[float], rewards: list[float]) -> float:
    """E[(R − b)² n] with n = |∇log π|² is a parabola in b; its lowest point is E[R n] / E[n].

    It is a mean of the rewards in which an answer counts more, the longer its gradient is.
    """
    squares = sum(p * p for p in probabilities)
    lengths = [
        1 - 2 * p + squares for p in probabilities
    ]  # (1 − p)² + Σ of the others' p²
    counts = [p * n for p, n in zip(probabilities, lengths, strict=True)]
    return sum(c * r for c, r in zip(counts, rewards, strict=True)) / sum(counts)


def group_objective(logprobs: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """The baseline is the mean of a prompt's own group: `rewards.mean()` was the mean of the whole batch."""
    size = rewards.shape[-1]
    baseline = rewards.mean(-1, keepdim=True)
    advantages = size / (size - 1) * (rewards - baseline)
    return (advantages.detach() * logprobs).mean()
