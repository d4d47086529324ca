"""What the answers to exercise 2 must do. Each message is a hint."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

Answer = Callable[..., Any]
TABLE = (
    torch.tensor([0.0, 0.0, 0.0, 0.0, -1.0, 0.0]).double().softmax(-1)
)  # the tutorial's
EARNED = torch.tensor([0.6, 0.4, 0.2, 0.5, 0.8, 0.0]).double()


def moments(pi: torch.Tensor, rewards: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Mean and variance of one sample of R ∇log π, by enumeration of a softmax table."""
    vectors = rewards[:, None] * (torch.eye(len(pi), dtype=pi.dtype) - pi)
    mean = pi @ vectors
    return mean, (pi @ (vectors - mean).square().sum(-1)).item()


def check_prediction(answer: Answer) -> None:
    """By enumeration of the tutorial's table."""
    said = answer()
    assert len(said) == 2, "two words are asked for: about the mean, about the variance"
    mean, variance = said
    (before, noise), (after, more) = moments(TABLE, EARNED), moments(TABLE, EARNED + 10)
    length = "same" if torch.allclose(before, after) else "longer"
    assert mean == length, (
        f"the mean: you predicted {mean!r}. The added part is 10 · E[∇log π], and E[∇log π] is 0, because the "
        f"probabilities always add up to 1. Enumerated, the mean moves by {(after - before).abs().max().item():.0e}"
    )
    times = more / noise
    word = "hundredfold" if times >= 100 else "tenfold" if times >= 10 else "same"
    assert variance == word, (
        f"the variance: you predicted {variance!r}, and it becomes {times:.0f} times as large. The rewards lie around "
        "0.4 before and around 10.4 after, and the variance grows with their square"
    )


def check_best_baseline(answer: Answer) -> None:
    """It is compared with its neighbours, with V, and on random tables."""
    half = answer([0.5, 0.5], [1.0, 0.0])
    assert half == pytest.approx(0.5), (
        "two answers of probability 0.5 with rewards 1 and 0: their gradients are equally long, so b is the plain "
        f"mean 0.5; yours is {half:.4g}"
    )
    for seed in range(4):
        dice = torch.Generator().manual_seed(seed)
        pi = (2 * torch.randn(5, generator=dice).double()).softmax(-1)
        rewards = torch.rand(5, generator=dice).double()
        b = float(answer(pi.tolist(), rewards.tolist()))
        assert math.isfinite(b), "b must be a finite number"
        yours = moments(pi, rewards - b)[1]
        tried = {t: moments(pi, rewards - (b + t))[1] for t in (-1e-3, 1e-3)}
        step, better = min(tried.items(), key=lambda pair: pair[1])
        value = (pi @ rewards).item()
        close = (
            " (yours is V: close to it, but not the best)"
            if abs(b - value) < 1e-9
            else ""
        )
        assert yours <= better, (
            f"with your b = {b:.4f} the variance is {yours:.6f}, with b {step:+} it is smaller, {better:.6f}{close}. "
            "Write E[(R − b)² |∇log π|²] as a parabola in b: where is its lowest point?"
        )


def check_group_objective(answer: Answer) -> None:
    """The symptom, then the exact weights."""
    easy_and_hard = torch.tensor([[0.9] * 4, [0.1] * 4]).double()
    pushes = pushes_of(answer, easy_and_hard)
    assert torch.allclose(pushes, torch.zeros_like(pushes), atol=1e-12), (
        "an easy prompt whose four answers all earn 0.9, and a hard one whose answers all earn 0.1: in neither is one "
        f"answer better than another, so no answer may be pushed. Yours pushes the first answers by "
        f"{pushes[0, 0].item():+.3f} and {pushes[1, 0].item():+.3f}. What is each reward compared with?"
    )
    rewards = torch.tensor([[0.2, 0.8, 0.5], [1.0, 0.0, 0.2]]).double()
    others = (rewards.sum(-1, keepdim=True) - rewards) / 2
    right = (rewards - others) / rewards.numel()
    pushes = pushes_of(answer, rewards)
    ratio = (pushes / right).flatten()
    assert not torch.allclose(pushes, 2 / 3 * right), (
        "the direction is right, but the length is (G − 1)/G of what leave-one-out gives: mend the bug only, and keep "
        "the factor"
    )
    assert torch.allclose(pushes, right), (
        f"two prompts with three samples: a sample's push over what leave-one-out gives should be 1, yours are "
        f"{[round(each, 3) for each in ratio.tolist()]}"
    )


def pushes_of(answer: Answer, rewards: torch.Tensor) -> torch.Tensor:
    """The gradient of the answer's objective along each log-probability."""
    logprobs = torch.full_like(rewards, -1.0).requires_grad_()
    answer(logprobs, rewards).backward()
    assert logprobs.grad is not None, (
        "the objective does not depend on the log-probabilities"
    )
    return logprobs.grad
