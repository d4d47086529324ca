"""Ten rows, a small run of three steps at most, and the command: what the scripts begin with."""

from collections.abc import Sequence
from typing import Any

import torch

PROMPTS = ("31524=", "90817=", "46280=", "75310=", "28641=", "59037=", "97513=", "86420=", "40962=", "71835=")
SMALL = {
    "max_steps": 1,
    "num_generations": 4,
    "per_device_train_batch_size": 8,
    "max_completion_length": 8,
    "learning_rate": 1e-3,
}
DPO = {"method": "dpo", **SMALL, "max_steps": 2, "per_device_train_batch_size": 4}


def ten(*columns: str) -> list[dict[str, Any]]:
    """Ten rows with these columns: five digits in any order, and the same in order."""
    rows = []
    for number, prompt in enumerate(PROMPTS):
        right, wrong = "".join(sorted(prompt[:5])), prompt[:5]
        entry = {"prompt": prompt, "completion": right, "chosen": right, "rejected": wrong, "solution": right}
        rows.append({name: (entry | {"level": number})[name] for name in columns})
    return rows


def said(*turns: str) -> list[dict[str, str]]:
    """A conversation that the user begins."""
    return [{"role": "assistant" if n % 2 else "user", "content": words} for n, words in enumerate(turns)]


def anything(completions: Sequence[Any], **columns: Any) -> list[float]:
    """A reward that reads nothing but the answer, and hardly ever gives two answers the same."""
    answers = [each if isinstance(each, str) else each[0]["content"] for each in completions]
    return [sum(place * ord(letter) for place, letter in enumerate(answer, start=1)) / 1000 for answer in answers]


def right(completions: Sequence[str], solution: Sequence[str], **columns: Any) -> list[float]:
    """The share of the digits that stand in their places."""
    return [sum(map(str.__eq__, each, best)) / 5 for each, best in zip(completions, solution, strict=True)]


def weights(model: torch.nn.Module) -> torch.Tensor:
    """All parameters in one row."""
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


def texts(tokenizer: Any, tokens: Any) -> list[str]:
    """What the tokens of each row say, without padding."""
    ids, mask = tokens.ids.flatten(0, -2), tokens.mask.flatten(0, -2)
    return [tokenizer.decode(row[kept]) for row, kept in zip(ids, mask, strict=True)]


@torch.no_grad()
def likelihoods(model: Any, prompts: Any, answers: Any) -> list[torch.Tensor]:
    """log π of the tokens of each row's answer, by transformers alone: one forward pass without padding a row."""
    found = []
    for prompt, asked, answer, kept in zip(prompts.ids, prompts.mask, answers.ids, answers.mask, strict=True):
        ids = torch.cat([prompt[asked], answer[kept]])[None]
        logits = model(ids).logits[0, asked.sum() - 1 : -1]
        found.append(torch.log_softmax(logits, dim=-1).gather(-1, answer[kept][:, None])[:, 0])
    return found
