"""What a causal model makes of given answers: its output at the position before each token, with gradient.

A prompt that several rows share is forwarded once, and its keys and values serve them all (cf. arXiv:2506.05433): the
cost of G samples and a reference is P + (G + 1) T tokens instead of (G + 1)(P + T). Rows are forwarded in parts of like
length, each trimmed to its longest. A row without a token is not forwarded at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.policies.parts import parts_of, pass_cost
from grao_ref.policies.prefix import SteadyCache, empty_cache
from grao_ref.policies.sampler import push_right, with_positions
from grao_ref.records import Tokens

# Model inputs, a cache or None, how many last positions to return -> hidden states or logits.
Run = Callable[..., Float[Tensor, "B last X"]]


@dataclass(frozen=True)
class Outputs:
    """X numbers for each of the n tokens that count."""

    at: Float[Tensor, "n X"]  # the output that predicts the token
    places: Int[Tensor, "n"]  # where the token stands in the flattened mask


def outputs_before(
    run: Run,
    model: PreTrainedModel,
    prompts: Tokens,
    ids: Int[Tensor, "N G T"],
    mask: Bool[Tensor, "N G T"],
    *,
    shared: bool = True,
) -> Outputs:
    """The outputs of `run` at the position before each token that counts: n is the number of True in the mask.

    `run`: a forward pass of the model. `shared`: whether a prompt with several rows is forwarded once.
    Raises `ValueError` on a prompt without a token, and on a mask that is False everywhere.
    """
    left, answers, group = push_right(prompts), Tokens(ids.flatten(0, 1), mask.flatten(0, 1)), ids.shape[1]
    lengths = _lengths(answers.mask)
    if not any(lengths):
        raise ValueError("no answer has a token that counts")
    if shared and group > 1:
        pieces = _with_shared_prompts(run, model, left, answers, group, lengths)
    else:
        pieces = _each_alone(run, left, answers, group, lengths)
    at, places = zip(*pieces, strict=True)
    return Outputs(torch.cat(at), torch.cat(places))


Piece = tuple[Tensor, Tensor]


def _each_alone(run: Run, left: Tokens, answers: Tokens, group: int, lengths: list[int]) -> list[Piece]:
    """Every row with its own prompt before it, and all padding behind it.

    What is behind a token changes nothing of its output, so no mask is needed: neither attention nor a recurrent state
    has seen padding where an output counts.
    """
    before = left.mask.sum(dim=1).repeat_interleave(group)
    whole = [length and length + prompt for length, prompt in zip(lengths, before.tolist(), strict=True)]
    pieces = []
    for part in parts_of(whole, pass_cost=pass_cost(left.ids.device)):
        rows, length = torch.tensor(part, device=left.ids.device), max(lengths[row] for row in part)
        some = Tokens(answers.ids[rows, :length], answers.mask[rows, :length])
        sequence = torch.cat([left.ids[rows // group], _filled(some, left, rows // group)], dim=1)
        attended = torch.cat([left.mask[rows // group], some.mask], dim=1)
        order = (~attended).to(torch.uint8).argsort(dim=1, stable=True)[:, : whole[part[-1]]]
        start = int(before[rows].min()) - 1  # of the first output that counts
        outputs = run({"input_ids": sequence.gather(1, order)}, past_key_values=None, last=order.shape[1] - start)
        at = before[rows, None] - 1 + some.mask.cumsum(dim=1) - 1 - start  # the output before each token
        pieces.append(_counted(outputs, some.mask, rows, answers.mask.shape[1], at))
    return pieces


def _with_shared_prompts(
    run: Run, model: PreTrainedModel, left: Tokens, answers: Tokens, group: int, lengths: list[int]
) -> list[Piece]:
    """A pass over the prompts that have a row, then passes over the rows, which attend to their prompt's cache."""
    device = left.ids.device
    used = sorted({row // group for row, length in enumerate(lengths) if length})
    number = torch.zeros(len(left.ids), dtype=torch.long, device=device)  # of a prompt among those used
    kept = torch.tensor(used, device=device)
    number[kept] = torch.arange(len(used), device=device)
    seen = left.mask[kept]
    cache = empty_cache(model)
    first = run(with_positions(left.ids[kept], seen), past_key_values=cache, last=1)
    pieces = []
    for part in parts_of(lengths, pass_cost=pass_cost(device)):
        rows, length = torch.tensor(part, device=device), lengths[part[-1]]
        some = Tokens(answers.ids[rows, :length], answers.mask[rows, :length])
        of = number[rows // group]
        outputs = first[of]
        if length > 1:
            step = _filled(some, left, rows // group)[:, :-1]
            inputs = with_positions(step, torch.cat([seen[of], some.mask[:, :-1]], dim=1))
            outputs = torch.cat([outputs, _after(cache, of, run, inputs)], dim=1)
        pieces.append(_counted(outputs, some.mask, rows, answers.mask.shape[1]))
    return pieces


def _after(cache: SteadyCache, of: Tensor, run: Run, inputs: dict[str, Tensor]) -> Tensor:
    """The outputs for rows of tokens, each behind its prompt."""
    rows = cache.of_rows(of)
    outputs = run(inputs, past_key_values=rows, last=inputs["input_ids"].shape[1])
    if not 0 < rows.passes == len(cache.after):  # the rows would have been scored without their prompts
        raise RuntimeError(f"{rows.passes} of {len(cache.after)} layers read their prompts' keys and values")
    return outputs


def _filled(some: Tokens, left: Tokens, prompts: Int[Tensor, "B"]) -> Int[Tensor, "B T"]:
    """The ids of answers to these prompts, with a prompt's last token for padding, as `push_right` has it."""
    return some.ids.where(some.mask, left.ids[prompts, -1:])


def _counted(outputs: Tensor, mask: Tensor, rows: Tensor, width: int, at: Tensor | None = None) -> Piece:
    """The outputs before the tokens that count, and the places of these tokens among all rows of `width` tokens.

    `at`: where in its row the output before each token is; in the token's own place where it is not given.
    """
    row, column = mask.nonzero().unbind(dim=1)
    return outputs[row, column if at is None else at[row, column]], rows[row] * width + column


def _lengths(mask: Tensor) -> list[int]:
    """Of each row: up to its last token that counts."""
    ends = torch.arange(1, mask.shape[1] + 1, device=mask.device) * mask
    return ends.amax(dim=1).tolist()


def scattered(values: Float[Tensor, "n"], outputs: Outputs, mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G T"]:
    """One value for each token that counts, in its place; exactly 0 elsewhere, without gradient."""
    return values.new_zeros(mask.numel()).scatter(0, outputs.places, values).view(mask.shape)
