"""Our answers to the exercises of tutorial 3."""

import torch


def prediction() -> tuple[str, str]:
    """Â_y is √8 for any gap, however small, since σ shrinks along with it; without a gap it is 0."""
    return "same", "zero"


def mean_log_likelihood(
    logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, prompt_length: int
) -> torch.Tensor:
    """A place's output predicts the next token, so the outputs that are needed begin one place earlier."""
    of_answer = logits[:, prompt_length - 1 : -1]
    logprobs = of_answer.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return torch.where(mask, logprobs, 0).sum(-1) / mask.sum(-1)


def settings() -> dict[str, float]:
    """A little imitation finds the reference among 2,000 answers; much of it holds the small table at 0.7."""
    return {"group_size": 8, "learning_rate": 1.0, "beta": 0.1, "lam": 0.0}
