"""References as rows among the samples of TRL's generation batch, and what is logged of them."""

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
    if isinstance(completion, list) and isinstance(prompt, list) and len(completion) == 1:
        said = {name: value for name, value in completion[0].items() if value is not None}
        if said.keys() == {"role", "content"} and said["role"] == "assistant" and isinstance(said["content"], str):
            return str(said["content"])
    raise ValueError(
        "a completion is the reference of its row: text behind a text, or behind a conversation one message with the "
        f"role assistant and a text; got {str(completion)[:80]!r} behind {str(prompt)[:80]!r}"
    )


def total_of(parts: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum (B,) of reward functions (B, F); NaN where none that has a weight could score the answer."""
    weights = weights.to(parts.device)
    unscored = parts[:, weights != 0].isnan().all(dim=-1)
    total: Tensor = (parts * weights).nansum(dim=-1)
    return total.masked_fill(unscored, torch.nan)


class StepMeans:
    """Means over all processes and micro-batches of a step: a micro-batch may hold no reference at all.

    accelerator: TRL's. metrics: where each step's means are appended, by name.
    """

    def __init__(self, accelerator: Any, metrics: dict[str, list[float]]) -> None:
        self.accelerator, self.metrics = accelerator, metrics
        self._sums: dict[str, Tensor] = {}

    def add(self, name: str, values: Tensor) -> None:
        """Count these; with a step's last micro-batch, append the mean. Every process calls this alike."""
        found = torch.stack([values.double().sum(), torch.tensor(float(len(values))).to(values.device)])
        found = self.accelerator.reduce(found, reduction="sum") + self._sums.pop(name, torch.zeros_like(found))
        if self.accelerator.sync_gradients:
            total, count = found.tolist()
            self.metrics[name].append(total / count)
        else:
            self._sums[name] = found
