"""The group sampler: one prefill for each prompt, its cache shared by the prompt's G samples.

Prompts are pushed to the right (left-padded) and positions are counted from the first real token, so padding
changes nothing for absolute or rotary embeddings.
"""

import inspect
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from grao_ref.equations.logprob import token_logprobs
from grao_ref.records import Samples, Tokens

Choose = Callable[[Float[Tensor, "B V"]], Int[Tensor, "B"]]


@torch.no_grad()
def decode(
    model: PreTrainedModel,
    prompts: Tokens,
    group: int,
    choose: Choose,
    *,
    eos_ids: Int[Tensor, "E"],
    max_length: int,
    likelihood_temperature: float,
) -> Samples:
    """Prefill each prompt once, repeat its cache for the group, then a token at a time until all have ended.

    `choose` turns the logits of the N·G rows into their next tokens. A row ends with its first end-of-sequence token,
    which is part of the answer, or after `max_length` tokens.
    """
    left = push_right(prompts)
    cache = DynamicCache(config=model.config)
    prefill = with_positions(left.ids, left.mask)
    logits = model(**prefill, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
    cache.batch_repeat_interleave(group)
    logits, attended = logits.repeat_interleave(group, 0), left.mask.repeat_interleave(group, 0)
    going = torch.ones_like(attended[:, 0])  # True until the row has ended
    ids: list[Tensor] = []
    masks: list[Tensor] = []
    logprobs: list[Tensor] = []
    for _ in range(max_length):
        if ids:  # the token of the last round
            step = with_positions(ids[-1][:, None], attended)
            logits = model(**step, past_key_values=cache, use_cache=True).logits[:, -1]
        token = choose(logits.float() if logits.dtype != torch.float64 else logits)
        ids.append(token.masked_fill(~going, 0))
        masks.append(going)
        logprobs.append(token_logprobs(logits, ids[-1], going, temperature=likelihood_temperature))
        attended = torch.cat([attended, going[:, None]], dim=1)
        going = going & ~torch.isin(token, eos_ids)
        if not going.any():
            break
    answers, mask, scores = (torch.stack(c, dim=1).view(-1, group, len(ids)) for c in (ids, masks, logprobs))
    return Samples(answers, mask, scores, ended=~going.view(-1, group))


def require_shared_cache(model: PreTrainedModel) -> None:
    """Raise `ValueError` on a model whose reading of a prompt can't be shared by the prompt's samples.

    Shared is the cache of attention. State-space and recurrent layers keep a state instead, some beside such a cache.
    """
    takes_a_cache = "past_key_values" in inspect.signature(model.forward).parameters
    layers = DynamicCache(config=model.config).layers
    stateful = [layer for layer in layers if hasattr(layer, "update_conv_state")]
    if not takes_a_cache or stateful or not all(hasattr(layer, "batch_repeat_interleave") for layer in layers):
        raise ValueError(
            f"{type(model).__name__} has layers whose cache can't be shared by a group (state-space or recurrent "
            "ones); name a model that has attention alone"
        )


def push_right(prompts: Tokens) -> Tokens:
    """The same prompts with all padding on the left; padding becomes token 0.

    Raises `ValueError` on a prompt without a token: there would be nothing to predict from.
    """
    if not prompts.mask.any(dim=-1).all():
        empty = int((~prompts.mask.any(dim=-1)).nonzero()[0])
        raise ValueError(f"every prompt needs at least one token, prompt {empty} has none")
    order = prompts.mask.to(torch.uint8).argsort(dim=-1, stable=True)
    return Tokens(prompts.ids.masked_fill(~prompts.mask, 0).gather(-1, order), prompts.mask.gather(-1, order))


def with_positions(ids: Int[Tensor, "B S"], attended: Bool[Tensor, "B A"]) -> dict[str, Tensor]:
    """Model inputs for the last S of the A attended positions; positions count the real tokens before each."""
    positions = (attended.cumsum(dim=-1) - 1).clamp(min=0)[:, -ids.shape[-1] :]
    return {"input_ids": ids, "attention_mask": attended.long(), "position_ids": positions}
