"""References as rows among the samples of TRL's generation batch."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from grao_ref.text.opened import Opened
from grao_ref.text.padding import padded


def with_references(
    output: dict[str, Any], references: list[list[int]], w_o: Tensor, w_y: Tensor, pad_id: int
) -> dict[str, Any]:
    """The rows of TRL's `output`, one for each group's reference behind them, and the weight of each.

    - `output`: prompt and completion ids and masks of B = P G samples, each group in a piece.
    - `references`: tokens of each of P references. `w_o` (B,), `w_y` (P,): the weights (thm-1).

    A reference has the ratio 1 where samples have one (vLLM's mismatch correction): it was not sampled.
    """
    samples, G, y = output["completion_ids"], len(w_o) // len(w_y), padded(references)
    width = max(samples.shape[1], y.ids.shape[1])

    def rows(of_samples: Tensor, of_references: Tensor, value: float) -> Tensor:
        pair = (of_samples, of_references.to(of_samples))
        return torch.cat([pad(part, (0, width - part.shape[1]), value=value) for part in pair])

    result = {
        "prompt_ids": torch.cat([output["prompt_ids"], output["prompt_ids"][::G]]),
        "prompt_mask": torch.cat([output["prompt_mask"], output["prompt_mask"][::G]]),
        "completion_ids": rows(samples, y.ids.masked_fill(~y.mask, pad_id), pad_id),
        "completion_mask": rows(output["completion_mask"], y.mask, 0),
        "weights": torch.cat([w_o, w_y]),
        "is_reference": torch.arange(len(w_o) + len(w_y), device=samples.device) >= len(w_o),
    }
    if "importance_sampling_ratio" in output:
        ratio = output["importance_sampling_ratio"]  # of a token, or of a sequence
        ones = torch.ones(len(w_y), ratio.shape[1])
        per_token = ratio.shape[1] == samples.shape[1] > 1
        joined = rows(ratio, ones, 1.0) if per_token else torch.cat([ratio, ones.to(ratio)])
        result["importance_sampling_ratio"] = joined
    return result


def require_same_tokens(
    output: dict[str, Any], opened: Opened, references: list[list[int]], eos_ids: list[int]
) -> None:
    """Raise `ValueError` unless TRL's prompts are those that the references stand behind, and both end alike."""
    step = len(output["prompt_ids"]) // len(references)
    rows = zip(output["prompt_ids"][::step], output["prompt_mask"][::step].bool(), opened.ids, strict=True)
    if any(ids[mask].tolist() != of_reference for ids, mask, of_reference in rows):
        raise ValueError("TRL reads a prompt as other tokens than those that its reference is rendered behind")
    if others := {y[-1] for y in references} - set(eos_ids):
        raise ValueError(
            f"references end with the token {others.pop()}, and samples with one of {eos_ids}: put it into the model's "
            "generation_config.eos_token_id"
        )


def text_of(completion: Any, prompt: Any) -> str:
    """A reference's text. Raises `ValueError` where it is not of its prompt's kind, or not one assistant's message."""
    if isinstance(completion, str) and isinstance(prompt, str):
        return completion
    both = isinstance(completion, list) and isinstance(prompt, list)
    if both and [message["role"] for message in completion] == ["assistant"]:
        return str(completion[0]["content"])
    raise ValueError(
        "a row's completion is its reference: text behind a text, or one assistant message behind a conversation; got "
        f"{completion!r} behind {prompt!r}"
    )
