"""Exercises of tutorial 3. Replace each `raise` by your answer, then run: make exercise 3."""

import torch


def prediction() -> tuple[str, str]:
    """Predict, then run: all eight samples of a group earn 0.5, and the reference earns 0.667 (eq-4 over all nine).

    Return two words about the reference's advantage. The first: what becomes of it if the reference earns 0.51 instead
    of 0.667; one of "smaller", "same", "larger". The second: what it is if the reference earns 0.5 too; one of "zero",
    "same", "infinite". Then run `advantages` of the tutorial on these groups.
    """
    raise NotImplementedError


def mean_log_likelihood(
    logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, prompt_length: int
) -> torch.Tensor:
    """eq-1 of n answers, from one pass of a model over prompts and answers. It has one planted bug: mend it.

    `logits` (n, P + T, V): the model's outputs at all P places of the prompt and T of the answer. `ids` (n, T): the
    answers' tokens. `mask` (n, T): True on the tokens that count. `prompt_length`: P. Returns (n,).
    The symptom: the loss falls, and the model learns to repeat the token that it has just read.
    """
    raise NotImplementedError  # remove this line first: the check then shows the symptom
    of_answer = logits[:, prompt_length:]
    logprobs = of_answer.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return torch.where(mask, logprobs, 0).sum(-1) / mask.sum(-1)


def settings() -> dict[str, float]:
    """A challenge: with only 500 rewards, train the best policy. The same settings are used on two tables.

    In both tables one answer earns 1, the reference 0.7, all others 0. The first has 10 answers, the second 2,000, all
    equally likely at first. The package's loop (GRAO repaired, plain gradient steps) makes 500 // group_size steps, with
    one group each, in 50 runs. Your score is the mean expected reward over the runs of both tables; the goal is 0.82.
    """
    raise NotImplementedError  # remove this line first, and see what the settings below score
    return {"group_size": 8, "learning_rate": 0.2, "beta": 0.5, "lam": 0.6}
