"""What a model is tried out on (`probe.py`): two prompts with two answers each, and what the model says of them."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.equations.logprob import token_logprobs
from grao_ref.policies.sampler import PATIENCE
from grao_ref.records import Tokens

LENGTHS = (5, 2)  # of the prompts
ENDS = 2  # the shorter answer's length, its end included
ROOM = 512  # more tokens than any window that a model counts back from the cache's end (GPT-Neo's: 256)
Logprobs = Float[Tensor, "2 2 T"]


@dataclass(frozen=True)
class Trial:
    """Two prompts, the same two answers to each, and the token that ends the shorter one.

    `room`: for how many tokens more the model has places, `ROOM` at most.
    """

    prompts: Tokens
    ids: Int[Tensor, "2 2 T"]
    mask: Bool[Tensor, "2 2 T"]
    end: int
    room: int


def trial_of(model: PreTrainedModel) -> Trial:
    """Tokens from the first half of the vocabulary, without its first eighth: special ones are rare there.

    On a GPU the sampler looks for ended rows only after every so many tokens; the longer answer goes on behind these.
    It is shorter where a model of a test has no place for so many.
    """
    device, config = model.device, model.config.get_text_config()
    places = getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)  # MPT's name
    length = PATIENCE.get(device.type, 8) + 7
    most = (places or 2**31) - max(LENGTHS)
    length = max(ENDS + 1, min(length, most))
    layers: tuple[Any, ...] = (model.get_input_embeddings(), model.get_output_embeddings())  # type: ignore[no-untyped-call]
    vocabulary = min(len(layer.weight) for layer in layers)
    first, span, count = vocabulary // 8, vocabulary // 2, sum(LENGTHS) + 2 * length
    tokens = first + torch.arange(count, device=device) * 11 % count * span // count
    attended = torch.arange(max(LENGTHS), device=device) < torch.tensor(LENGTHS, device=device)[:, None]
    prompts = torch.zeros(attended.shape, dtype=torch.long, device=device)
    prompts[attended] = tokens[: sum(LENGTHS)]
    answers, end = tokens[sum(LENGTHS) :].view(2, length), first + span
    answers[1, ENDS - 1] = end
    counted = torch.arange(length, device=device) < torch.tensor([length, ENDS], device=device)[:, None]
    answers, counted = answers.expand(2, -1, -1), counted.expand(2, -1, -1)
    return Trial(Tokens(prompts, attended), answers, counted, end, room=max(0, min(ROOM, most - length)))


def plainly(model: PreTrainedModel, trial: Trial) -> Logprobs:
    """One forward pass of each whole sequence, alone: without padding, a mask, positions or a cache."""
    found = torch.zeros(trial.ids.shape, dtype=torch.promote_types(model.dtype, torch.float32), device=model.device)
    for place in torch.cartesian_prod(torch.arange(2), torch.arange(2)).tolist():
        prompt, row = place
        before = trial.prompts.ids[prompt, trial.prompts.mask[prompt]]
        counted = trial.mask[prompt, row]
        answer = trial.ids[prompt, row, counted]
        logits = model(torch.cat([before, answer])[None], use_cache=False).logits[0, len(before) - 1 : -1]
        every = torch.ones_like(answer, dtype=torch.bool)
        found[prompt, row, counted] = token_logprobs(logits.to(found.dtype), answer, every, temperature=1.0)
    return found
