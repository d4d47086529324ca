"""Exercises of tutorial 2. Replace each `raise` by your answer, then run: make exercise 2."""

import torch


def prediction() -> tuple[str, str]:
    """Predict, then run: 10 is added to every reward. What happens to R(o) ∇log π(o)?

    Return two words: the first about its mean over the sampled answers, one of "same", "longer", "shorter"; the second
    about its variance, one of "same", "tenfold", "hundredfold" (for a hundred times or more).
    """
    raise NotImplementedError


def best_baseline(probabilities: list[float], rewards: list[float]) -> float:
    """The number b for which one sample of (R(o) − b) ∇log π(o) has the smallest variance, for a softmax table.

    Plain Python only. The variance is E|(R − b) ∇log π|² − |∇V|², and only the first part depends on b. The gradient
    of log π(o) along the logits is 1 − π(o) at the answer o and −π(a) at every other answer a.
    """
    raise NotImplementedError


def group_objective(logprobs: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """The number whose gradient estimates that of V, with leave-one-out baselines. It has one planted bug: mend it.

    `logprobs`, `rewards`: (N, G), N prompts with G sampled answers each. Every prompt counts the same. The symptom: in
    a batch of easy and hard prompts, all answers to the easy ones become likelier, right or wrong.
    """
    raise NotImplementedError  # remove this line first: the check then shows the symptom
    size = rewards.shape[-1]
    baseline = rewards.mean()
    advantages = size / (size - 1) * (rewards - baseline)
    return (advantages.detach() * logprobs).mean()
