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
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.plugins.blame import briefly
from grao_ref.policies.cache import ATTENTION, RECURRENT, kinds_of_layers
from grao_ref.policies.drawing import score
from grao_ref.policies.lora import dropout_as_it_was, set_dropout
from grao_ref.policies.sampler import decode
from grao_ref.policies.scoring import Scorer
from grao_ref.policies.trial import Logprobs, Trial, plainly, trial_of

READING, SCORING, SAMPLING = "a forward pass", "scoring answers in a batch", "sampling a group from one prompt's cache"
# How far log-probabilities may be off, as a share of how far they move when the prompt is another one. SmolLM2's (30
# layers) are off by 7e-6 of that in float32 and by 0.06 in bfloat16. An answer that goes on from another one's state,
# or whose prompt's padding is read, is off by 0.4 to 2. Float64 has float32's share: experts' routers, norms and
# recurrent states compute in float32 whatever the weights are.
SINGLE, HALF = 1e-4, 0.25
ROUNDING = 1e-5  # is never more than float32's rounding, where the prompt hardly matters


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


def replays(scorer: Scorer) -> bool:
    """Whether steps of sampling that are captured and replayed give what the model says (`steps.py`).

    `scorer` was tried out itself. They do not where a model waits for the GPU in its forward pass, reads another mask
    than attention's, or computes with the number of tokens so far or with the cache's width. For the last of these it
    is tried in a cache that is much wider than the answers, too: in both, because layers with a window that is narrower
    than the wide cache are not replayed there. Where sampling is under autocast, it is tried under autocast as well. A
    model whose code raises anything is not replayed.
    """
    half = {scorer.bf16 and _computes_in_half_alone(scorer.model), scorer.bf16}
    try:
        return all(_replays(replace(scorer, bf16=bf16)) for bf16 in sorted(half))
    except Exception:
        return False


def _replays(scorer: Scorer) -> bool:
    model = scorer.model
    with _as_it_is_tried(scorer):
        trial = trial_of(model)
        expected = plainly(model, trial)
        limit = allowed(expected, trial, half=scorer.bf16 or _has_half_weights(model))
        found = [decoded(model, trial, replayed=True, room=room) for room in (0, trial.room)]
        return all(_error(each, expected, trial) <= limit for each in found)


def scored(scorer: Scorer, trial: Trial) -> Logprobs:
    """The scorer's; with checkpointing, in the pass that gradients flow through: there is none without."""
    with torch.set_grad_enabled(scorer.checkpointing):
        return scorer.score(trial.prompts, trial.ids, trial.mask, temperature=1.0)[0].detach()


def decoded(model: PreTrainedModel, trial: Trial, *, replayed: bool = False, room: int = 0) -> Logprobs:
    """The sampler's, of tokens that are given instead of drawn, in a cache with room for `room` tokens more."""
    length = trial.ids.shape[-1]
    script = torch.nn.functional.pad(trial.ids.flatten(0, 1), (0, room), value=trial.end)

    def choose(logits: Tensor, rows: Tensor, t: int) -> tuple[Tensor, Tensor]:
        return script[rows, t], score(logits, script[rows, t], 1.0)

    end = torch.tensor([trial.end], device=script.device)
    how = {"eos_ids": end, "max_length": script.shape[1], "replayed": replayed}
    return decode(model, trial.prompts, 2, choose, **how).logprobs[..., :length]  # type: ignore[arg-type]


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
