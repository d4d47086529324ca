"""The group sampler: one prefill for each prompt, its cache shared by the prompt's G samples.

Prompts are pushed to the right (left-padded) and positions are counted from the first real token, so padding
changes nothing for absolute or rotary embeddings.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from grao_ref.policies.cache import repeat_with_room
from grao_ref.policies.drawing import Choose
from grao_ref.policies.steps import FixedStep, Rows, step_of
from grao_ref.records import Samples, Tokens, split, take

# Asking a GPU whether rows go on means waiting for it, so it is done after every so many tokens. What is decoded
# meanwhile of rows that have ended is dropped.
PATIENCE = {"cpu": 1, "cuda": 8}
LEAVE = 0.75  # ended rows leave a batch of which at most this share goes on: the others' caches are copied for it
LEAVE_REPLAYED = 0.5  # the same where a step is captured anew for the rows that stay


def decode_in_turn(
    model: PreTrainedModel, prompts: Tokens, group: int, choose: Choose, *, parts: int, **how: Any
) -> Samples:
    """`decode`, with its options, for a part of the prompts at a time: only that part's cache is in memory.

    The parts are those of `records.split`, as in an update. `choose` is asked for the answers by their place among all,
    so a token's random number does not depend on the number of parts.
    """

    def of_part(first: int) -> Choose:
        return lambda logits, rows, t: choose(logits, rows + first, t)

    pieces = [
        decode(model, take(prompts, rows), group, of_part(rows.start * group), **how)
        for rows in split(len(prompts.ids), parts)
    ]
    return pieces[0] if len(pieces) == 1 else _joined(pieces)


@torch.no_grad()
def decode(
    model: PreTrainedModel,
    prompts: Tokens,
    group: int,
    choose: Choose,
    *,
    eos_ids: Int[Tensor, "E"],
    max_length: int,
    replayed: bool = False,
) -> Samples:
    """Prefill each prompt once, repeat its cache for the group, then a token at a time until all have ended.

    `choose` turns the logits of the rows in the batch into their next tokens and log-probabilities (`drawing.py`). A
    row ends with its first end-of-sequence token, which is part of the answer, or after `max_length` tokens. What it
    is given after that, until it leaves the batch, is dropped. `replayed`: see `steps.py`.
    """
    left = _narrowed(push_right(prompts))
    cache = DynamicCache(config=model.config)
    prefill = _without_idle_mask(with_positions(left.ids, left.mask))
    with weights_cast_once(model):
        logits = model(**prefill, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        of = torch.arange(len(logits), device=logits.device).repeat_interleave(group)  # an answer's prompt
        repeat_with_room(cache, of, max_length)
        logits, attended = logits[of], left.mask[of]
        rows = Rows(attended, max_length, padded="attention_mask" in prefill)
        go_on = step_of(model, cache, rows, max_length - 1, replayed=replayed)
        ids = torch.zeros(len(attended), max_length, dtype=torch.long, device=logits.device)
        logprobs = torch.zeros(ids.shape, dtype=torch.promote_types(logits.dtype, torch.float32), device=logits.device)
        for t in range(max_length):
            token, scores = choose(logits.to(logprobs.dtype), rows.answers, t)
            ids[rows.answers, t], logprobs[rows.answers, t] = token, scores
            share = LEAVE_REPLAYED if isinstance(go_on, FixedStep) else LEAVE
            kept = _still_going(rows, token, eos_ids, t, share)
            if t + 1 == max_length or (kept is not None and not len(kept)):
                break
            if kept is not None:
                rows.keep(kept)
                cache.reorder_cache(kept)  # type: ignore[arg-type]
                token = token[kept]
                go_on = step_of(model, cache, rows, max_length - 1 - t, replayed=replayed)
            logits = go_on(token, t)
    return _samples(ids, logprobs, eos_ids, group)


@contextmanager
def weights_cast_once(model: PreTrainedModel) -> Iterator[None]:
    """Let autocast keep its casts of weights that aren't trained, too, until the block that switched it on ends.

    It keeps those of parameters that require a gradient, and would cast the weights under an adapter with each token.
    Only under `no_grad`, where the mark means nothing else.
    """
    frozen = [weight for weight in model.parameters() if weight.dtype == torch.float32 and not weight.requires_grad]
    marked = frozen if torch.is_autocast_enabled(model.device.type) else []
    try:
        for weight in marked:
            weight.requires_grad_(True)
        yield
    finally:
        for weight in marked:
            weight.requires_grad_(False)


def _still_going(
    rows: Rows, token: Int[Tensor, "B"], eos_ids: Int[Tensor, "E"], t: int, share: float
) -> Int[Tensor, "K"] | None:
    """The rows of the batch that go on, where these are a share small enough for the others to leave it."""
    if not len(eos_ids):
        return None
    rows.going &= ~(token[:, None] == eos_ids).any(dim=-1)
    if (t + 1) % PATIENCE.get(token.device.type, 8):
        return None
    kept = rows.going.nonzero()[:, 0]
    return kept if len(kept) <= share * len(rows.going) else None


def _samples(ids: Int[Tensor, "B T"], logprobs: Float[Tensor, "B T"], eos_ids: Int[Tensor, "E"], group: int) -> Samples:
    """Answers up to their first end-of-sequence token, and as wide as the longest."""
    ends = torch.isin(ids, eos_ids)
    mask = ends.cumsum(dim=-1) - ends.long() == 0  # none before it
    width = int(mask.any(dim=0).sum())
    parts = (ids.where(mask, 0), mask, logprobs.where(mask, 0))
    answers, counts, scores = (part[:, :width].reshape(-1, group, width) for part in parts)
    return Samples(answers, counts, scores, ended=ends.any(dim=-1).view(-1, group))


def _joined(pieces: list[Samples]) -> Samples:
    """The samples of all parts, as wide as the longest answer."""
    width = max(piece.ids.shape[-1] for piece in pieces)

    def whole(name: str) -> Tensor:
        tensors = [getattr(piece, name) for piece in pieces]
        return torch.cat([torch.nn.functional.pad(each, (0, width - each.shape[-1])) for each in tensors])

    ended = torch.cat([piece.ended for piece in pieces if piece.ended is not None])
    return Samples(whole("ids"), whole("mask"), whole("logprobs"), ended=ended)


def _narrowed(left: Tokens) -> Tokens:
    """Left-padded prompts without the columns that are padding in all of them."""
    longest = int(left.mask.sum(dim=-1).max())
    return Tokens(left.ids[:, -longest:], left.mask[:, -longest:])


def _without_idle_mask(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same inputs without a mask that masks nothing: attention has faster ways then."""
    if inputs["attention_mask"].all():
        return {name: tensor for name, tensor in inputs.items() if name != "attention_mask"}
    return inputs


def push_right(prompts: Tokens) -> Tokens:
    """The same prompts with all padding on the left; padding becomes a prompt's last token.

    It is masked either way. But some models (Gemma 3n) have no gradient where a hidden state is 0, as a padding token's
    may be, and NaN times nothing is NaN. Raises `ValueError` on a prompt without a token: there would be nothing to
    predict from.
    """
    if not prompts.mask.any(dim=-1).all():
        empty = int((~prompts.mask.any(dim=-1)).nonzero()[0])
        raise ValueError(f"every prompt needs at least one token, prompt {empty} has none")
    order = prompts.mask.to(torch.uint8).argsort(dim=-1, stable=True)
    ids, mask = prompts.ids.gather(-1, order), prompts.mask.gather(-1, order)
    return Tokens(ids.where(mask, ids[:, -1:]), mask)


def with_positions(ids: Int[Tensor, "B S"], attended: Bool[Tensor, "B A"]) -> dict[str, Tensor]:
    """Model inputs for the last S of the A attended positions; positions count the real tokens before each."""
    positions = (attended.cumsum(dim=-1) - 1).clamp(min=0)[:, -ids.shape[-1] :]
    return {"input_ids": ids, "attention_mask": attended.long(), "position_ids": positions}
