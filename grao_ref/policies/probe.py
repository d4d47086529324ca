"""Whether a model computes what a policy needs of it: tried out on a few tokens, when the policy is made.

Two prompts of different lengths get the same two answers of different lengths. Their log-probabilities are computed in
four ways:

1. one plain forward pass of each whole sequence, alone and without padding: what the model says;
2. the scorer, with each row behind its own prompt;
3. the scorer, with one forward pass of a prompt for all its rows;
4. the sampler, token by token from a prompt's repeated cache, in a batch that a row leaves when it ends.

A model whose 2 or 4 differ from 1 is refused: it would be trained on numbers that are not its own. Where 3 differs,
each row is scored behind its own prompt. No random number is drawn, and the model is left as it was.

What takes more than a few tokens to show, such as a window of attention, is not tried out here but on tiny models
(`tests/policies/table_of_models.py`), and only kinds of layers that are known from there are let through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.equations.logprob import token_logprobs
from grao_ref.plugins.blame import briefly
from grao_ref.policies.cache import ATTENTION, RECURRENT, kinds_of_layers
from grao_ref.policies.drawing import score
from grao_ref.policies.lora import dropout_as_it_was, set_dropout
from grao_ref.policies.sampler import PATIENCE, decode
from grao_ref.policies.scoring import Scorer
from grao_ref.records import Tokens

LENGTHS = (5, 2)  # of the prompts
ENDS = 2  # the shorter answer's length, its end included
READING, SCORING, SAMPLING = "a forward pass", "scoring answers in a batch", "sampling a group from one prompt's cache"
# How far log-probabilities may be off, as a share of how far they move when the prompt is another one. SmolLM2's (30
# layers) are off by 7e-6 of that in float32 and by 0.06 in bfloat16. An answer that goes on from another one's state,
# or whose prompt's padding is read, is off by 0.4 to 2. Float64 has float32's share: experts' routers, norms and
# recurrent states compute in float32 whatever the weights are.
SINGLE, HALF = 1e-4, 0.25
ROUNDING = 1e-5  # is never more than float32's rounding, where the prompt hardly matters
Logprobs = Float[Tensor, "2 2 T"]


@dataclass(frozen=True)
class Trial:
    """Two prompts, the same two answers to each, and the token that ends the shorter one."""

    prompts: Tokens
    ids: Int[Tensor, "2 2 T"]
    mask: Bool[Tensor, "2 2 T"]
    end: int


def probed(scorer: Scorer) -> Scorer:
    """The same scorer, sharing prompts only where that gives what the model says.

    Raises `ValueError` on a model whose samples' or answers' log-probabilities are not its own, or that can't be
    forwarded as the sampler or the scorer does it.
    """
    model, tried = scorer.model, replace(scorer, bf16=scorer.bf16 and _computes_in_half_alone(scorer.model))
    with refusing(model, SAMPLING):
        kinds = kinds_of_layers(model)
    unknown = sorted(kinds - ATTENTION - RECURRENT)
    if unknown:
        raise ValueError(_refusal(model, SAMPLING, f"can't be tried out on a few tokens with {unknown[0]} layers"))
    with _as_it_is_tried(tried):
        with refusing(model, READING):
            trial = trial_of(model)
            expected = plainly(model, trial)
        limit = allowed(expected, trial, half=tried.bf16 or _has_half_weights(model))
        ways: dict[str, Callable[[], Logprobs]] = {
            SCORING: lambda: scored(replace(tried, shares_prompts=False), trial),
            SAMPLING: lambda: decoded(model, trial),
        }
        for what, way in ways.items():
            with refusing(model, what):
                off = _error(way(), expected, trial)
            if not off <= limit:  # as where it is NaN
                raise ValueError(
                    _refusal(model, what, f"gives log-probabilities that are not the model's, off by {off:.1g}")
                )
        shared = scorer.shares_prompts and kinds <= ATTENTION and _shares(tried, trial, expected, limit)
    return replace(scorer, shares_prompts=shared)


def trial_of(model: PreTrainedModel) -> Trial:
    """Tokens from the first half of the vocabulary, without its first eighth: special ones are rare there.

    On a GPU the sampler looks for ended rows only after every so many tokens; the longer answer goes on behind these.
    It is shorter where a model of a test has no place for so many.
    """
    device, places = model.device, getattr(model.config.get_text_config(), "max_position_embeddings", None)
    length = PATIENCE.get(device.type, 8) + 7
    length = max(ENDS + 1, min(length, (places or 2**31) - max(LENGTHS)))
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
    return Trial(Tokens(prompts, attended), answers.expand(2, -1, -1), counted.expand(2, -1, -1), end)


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


def scored(scorer: Scorer, trial: Trial) -> Logprobs:
    """The scorer's; with checkpointing, in the pass that gradients flow through: there is none without."""
    with torch.set_grad_enabled(scorer.checkpointing):
        return scorer.score(trial.prompts, trial.ids, trial.mask, temperature=1.0)[0].detach()


def decoded(model: PreTrainedModel, trial: Trial) -> Logprobs:
    """The sampler's, of tokens that are given instead of drawn."""
    script = trial.ids.flatten(0, 1)

    def choose(logits: Tensor, rows: Tensor, t: int) -> tuple[Tensor, Tensor]:
        return script[rows, t], score(logits, script[rows, t], 1.0)

    end = torch.tensor([trial.end], device=script.device)
    return decode(model, trial.prompts, 2, choose, eos_ids=end, max_length=script.shape[1]).logprobs


def allowed(expected: Logprobs, trial: Trial, *, half: bool) -> float:
    """How far off a row may be: a share of how far another prompt moves the answers, both as root mean squares."""
    moved = (expected[0] - expected[1])[trial.mask[0]].square().mean().sqrt().item()
    return max(ROUNDING, (HALF if half else SINGLE) * moved)


def _error(found: Logprobs, expected: Logprobs, trial: Trial) -> float:
    """The root of the mean squared error of the row that is furthest off."""
    errors = (found - expected).square().where(trial.mask, 0)
    return (errors.sum(dim=-1) / trial.mask.sum(dim=-1)).max().sqrt().item()


def _shares(scorer: Scorer, trial: Trial, expected: Logprobs, limit: float) -> bool:
    try:
        return _error(scored(scorer, trial), expected, trial) <= limit
    except (RuntimeError, TypeError, ValueError, AttributeError, AssertionError):  # of a model's own code
        return False


@contextmanager
def refusing(model: PreTrainedModel, what: str) -> Iterator[None]:
    """Name the architecture in whatever a model's own code raises here. No memory left is no fault of it."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ValueError(_refusal(model, what, f"fails ({briefly(error)})")) from error


def _refusal(model: PreTrainedModel, what: str, why: str) -> str:
    return f"models of the architecture {model.config.model_type} can't be trained here: {what} {why}"


@contextmanager
def _as_it_is_tried(scorer: Scorer) -> Iterator[None]:
    """Without gradients, an adapter's dropout, and TF32, which rounds float32's products to 11 bits."""
    device = scorer.model.device.type
    autocast = torch.autocast(device, torch.bfloat16) if scorer.bf16 else nullcontext()
    with torch.no_grad(), dropout_as_it_was(scorer.model), _without_tf32(), autocast:
        set_dropout(scorer.model, 0.0)
        yield


@contextmanager
def _without_tf32() -> Iterator[None]:
    precision, kernels = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = kernels


def _computes_in_half_alone(model: PreTrainedModel) -> bool:
    """Whether its attention has no float32: then autocast can't be left out, which it is for the sake of precision."""
    return "flash" in (getattr(model.config.get_text_config(), "_attn_implementation", None) or "")


def _has_half_weights(model: PreTrainedModel) -> bool:
    return any(weight.dtype not in (torch.float32, torch.float64) for weight in model.parameters())
