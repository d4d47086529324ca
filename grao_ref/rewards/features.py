"""Features of an answer: the last hidden states of a frozen causal language model, averaged over its tokens."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from grao_ref.plugins.blame import briefly
from grao_ref.policies.sampler import push_right, with_positions
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
    without a token. `require_features` says of which models they are right.
    """
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
    # Unlike batch_select_indices, this is for all that a layer holds, recurrent ones included.
    cache.reorder_cache(which)  # type: ignore[arg-type]
    step = with_positions(answers.ids, torch.cat([prompts.mask[which], answers.mask], dim=1))
    hidden: Tensor = model.base_model(**step, past_key_values=cache, use_cache=True).last_hidden_state
    hidden = hidden.float().masked_fill(~answers.mask[..., None], 0.0)
    return hidden.sum(dim=1) / answers.mask.sum(dim=1, keepdim=True)


@torch.no_grad()
def require_features(model: PreTrainedModel) -> None:
    """Raise `ValueError` on a model whose features are others when a prompt's reading is shared and texts are padded.

    Tried out on four short texts: their features from one batch, and from a forward pass of each text alone.
    """
    tokens = [len(model.get_input_embeddings().weight) // 8 + n for n in range(6)]  # type: ignore[arg-type]
    pairs = [(prompt, answer) for prompt in (tokens[:1], tokens[1:4]) for answer in (tokens[4:5], tokens[3:6])]
    try:
        shared = answer_features(model, pairs)
        alone = torch.stack([_alone(model, *pair) for pair in pairs])
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a model's class may cause
        raise ValueError(f"{_UNFIT.format(model.config.model_type)} fail ({briefly(error)})") from error
    moved = (alone[:2] - alone[2:]).norm()  # by the other prompt
    if not (shared - alone).norm() <= 1e-3 * moved + 1e-5 * alone.norm():  # as where a feature is NaN
        raise ValueError(f"{_UNFIT.format(model.config.model_type)} are not those of each text alone")


_UNFIT = "a reward head needs a model of another architecture than {}: features of several answers in one pass"


def _alone(model: PreTrainedModel, prompt: list[int], answer: list[int]) -> Float[Tensor, "H"]:
    ids = torch.tensor([prompt + answer], device=model.device)
    hidden: Tensor = model.base_model(ids, use_cache=False).last_hidden_state
    return hidden[0, len(prompt) :].float().mean(dim=0).cpu()
