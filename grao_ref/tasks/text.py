"""A task made of a data set's rows, a tokenizer and reward functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.data.rows import Prompt, Row
from grao_ref.records import Batch, Tokens
from grao_ref.rewards.scorer import Scorer


@dataclass(frozen=True)
class Example:
    """A row and its tokens; answers end with the end-of-sequence token, prompts with whatever opens an answer."""

    row: Row
    prompt: list[int]
    reference: list[int]
    rejected: list[int] | None


class TextTask:
    """Prompts in an order that `seed` shuffles anew for each pass through the data; rewards of decoded answers.

    `batch`: prompts of a step. The order depends on the step alone, so a resumed run sees the rows it would have seen.
    """

    independent_prompts = False

    def __init__(self, examples: Sequence[Example], tokenizer: Any, scorer: Scorer, *, batch: int, seed: int) -> None:
        if not examples:
            raise ValueError("the data set has no rows left to train on")
        self.examples, self.tokenizer, self.scorer = examples, tokenizer, scorer
        self.batch, self.seed = batch, seed
        self.reward_weights = dict(scorer.weights)

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """The next `batch` rows."""
        return self.rows([self._row(index) for index in range((step - 1) * self.batch, step * self.batch)])

    def rows(self, indices: Sequence[int]) -> Batch:
        """Given rows as a batch."""
        chosen = [self.examples[index] for index in indices]
        rejected = [example.rejected for example in chosen if example.rejected is not None]
        return Batch(
            padded([example.prompt for example in chosen]),
            padded([example.reference for example in chosen]),
            rejected=padded(rejected) if len(rejected) == len(chosen) else None,
            rows=torch.tensor(list(indices)),
        )

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G F"]:
        """Every reward function on every answer, as text without special tokens; NaN for None."""
        assert batch.rows is not None
        group = ids.shape[1]
        rows = [self.examples[index].row for index in batch.rows.tolist() for _ in range(group)]
        pairs = zip(
            ids.flatten(0, 1).tolist(), mask.flatten(0, 1).tolist(), strict=True
        )  # two waits for a GPU, not N·G
        answers = [[token for token, kept in zip(*pair, strict=True) if kept] for pair in pairs]
        scores = self.scorer(
            [row.prompt for row in rows],
            [self.text(answer) for answer in answers],
            references=[row.reference for row in rows],
            completion_ids=answers,
            columns=columns_of(rows),
        )
        parts = [[torch.nan if score is None else score for score in part] for part in scores.parts.values()]
        return torch.tensor(parts, device=ids.device).T.reshape(-1, group, len(parts))

    def text(self, ids: list[int]) -> str:
        """What an answer reads like."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _row(self, index: int) -> int:
        """Where the `index`-th prompt of the run stands: a permutation for each pass through the data."""
        epoch, place = divmod(index, len(self.examples))
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return int(torch.randperm(len(self.examples), generator=rng)[place])


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The rows' other columns, as reward functions get them."""
    return {name: [row.columns.get(name) for row in rows] for name in rows[0].columns}


def encode(
    rows: Sequence[Row],
    tokenizer: Any,
    *,
    max_prompt_length: int | None,
    max_completion_length: int,
    context: int | None,
) -> list[Example]:
    """The rows that fit, as tokens.

    Rows are dropped whose prompt is longer than `max_prompt_length`, or whose answers are longer than
    `max_completion_length`: the policy could never say them. Raises `ValueError` on a prompt that leaves no room for an
    answer in the model's `context`, a conversation without a chat template, a tokenizer without an end-of-sequence
    token, and where no row is left.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-sequence token: nothing would say where an answer ends")
    examples = []
    for number, row in enumerate(rows):
        prompt = prompt_ids(row.prompt, tokenizer)
        reference = answer_ids(row.reference, tokenizer)
        rejected = None if row.rejected is None else answer_ids(row.rejected, tokenizer)
        if max_prompt_length is not None and len(prompt) > max_prompt_length:
            continue
        if max(len(reference), len(rejected or [])) > max_completion_length:
            continue
        if context is not None and len(prompt) + max_completion_length > context:
            raise ValueError(
                f"the prompt of row {number} has {len(prompt)} tokens, which with max_completion_length "
                f"{max_completion_length} exceeds the model's context of {context}; max_prompt_length drops such rows"
            )
        examples.append(Example(row, prompt, reference, rejected))
    if not examples:
        raise ValueError(
            f"none of {len(rows)} rows fits: max_prompt_length is {max_prompt_length} and max_completion_length "
            f"{max_completion_length} tokens"
        )
    return examples


def prompt_ids(prompt: Prompt, tokenizer: Any) -> list[int]:
    """A prompt's tokens: text as the tokenizer begins it, a conversation by the chat template, each opened once."""
    if isinstance(prompt, str):
        return list(tokenizer(prompt).input_ids)
    if not tokenizer.chat_template:
        raise ValueError("the data set is conversational and the tokenizer has no chat template")
    return list(tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"])


def answer_ids(answer: str, tokenizer: Any) -> list[int]:
    """An answer's tokens, and the end of sequence that it has to learn."""
    return [*tokenizer(answer, add_special_tokens=False).input_ids, tokenizer.eos_token_id]


def padded(sequences: Sequence[Sequence[int]]) -> Tokens:
    """Sequences as one tensor, masked by their lengths: no padding token is needed, so none is asked for."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    width = int(lengths.max())
    ids = torch.tensor([[*sequence, *[0] * (width - len(sequence))] for sequence in sequences])
    return Tokens(ids, torch.arange(width) < lengths[:, None])
