"""Features of an answer: the last hidden states of a frozen causal language model, averaged over its tokens."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from grao_ref.policies.sampler import push_right, require_shared_cache, with_positions
from grao_ref.text.padding import padded

Pair = tuple[list[int], list[int]]  # tokens of a prompt and of an answer


@torch.no_grad()
def answer_features(
    model: PreTrainedModel,
    pairs: Sequence[Pair],
    *,
    batch_size: int = 16,
    done: Callable[[int], object] = lambda count: None,
) -> Float[Tensor, "N H"]:
    """f = 1/|o| Σ_t h_t, float32 on the CPU, for each pair of a prompt's tokens and an answer's.

    A prompt goes through the model once for all its answers in a batch. Texts of similar length share a batch.
    `done` is called with the number of answers after each batch. Raises `ValueError` on a prompt or an answer
    without a token, and on a model whose prompts can't be read once for several answers.
    """
    require_shared_cache(model)
    for row, (prompt, answer) in enumerate(pairs):
        if not prompt or not answer:
            raise ValueError(f"pair {row} has {'an answer' if prompt else 'a prompt'} without a token")
    order = sorted(range(len(pairs)), key=lambda row: (len(pairs[row][0]), pairs[row][0], len(pairs[row][1])))
    features = torch.empty(len(pairs), model.config.get_text_config().hidden_size)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        features[rows] = _batch(model, [pairs[row] for row in rows]).float().cpu()
        done(len(rows))
    return features


def _batch(model: PreTrainedModel, pairs: list[Pair]) -> Float[Tensor, "B H"]:
    unique = {tuple(prompt): None for prompt, _ in pairs}
    places = {prompt: place for place, prompt in enumerate(unique)}
    which = torch.tensor([places[tuple(prompt)] for prompt, _ in pairs], device=model.device)
    prompts = push_right(padded([list(prompt) for prompt in unique], device=model.device))
    answers = padded([answer for _, answer in pairs], device=model.device)
    cache = DynamicCache(config=model.config)
    model.base_model(**with_positions(prompts.ids, prompts.mask), past_key_values=cache, use_cache=True)
    cache.batch_select_indices(which)
    step = with_positions(answers.ids, torch.cat([prompts.mask[which], answers.mask], dim=1))
    hidden: Tensor = model.base_model(**step, past_key_values=cache, use_cache=True).last_hidden_state
    hidden = hidden.float().masked_fill(~answers.mask[..., None], 0.0)
    return hidden.sum(dim=1) / answers.mask.sum(dim=1, keepdim=True)
