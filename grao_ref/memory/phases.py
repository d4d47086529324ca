"""The phases of a step on outlines: what is in memory at the peak of each, by what it is.

The phases follow each other, so the run needs the largest of them and not their sum. Weights and the optimiser's
moments are there in all; gradients from an update until the next step samples; the cache while answers are sampled.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from grao_ref.memory.counting import CACHE, COPY, GRADIENTS, MOMENTS, REFERENCE, Bytes
from grao_ref.memory.lengths import Lengths, tokens_of
from grao_ref.memory.outlines import META, Outline, OutlinedMasks, outlined
from grao_ref.methods.registry import method_of
from grao_ref.policies.cache import repeat_with_room
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.drawing import draw
from grao_ref.policies.sampler import push_right, weights_cast_once, with_positions
from grao_ref.records import Advantages, Batch, Critique, LogProbs, Rewards, Samples, Tokens
from grao_ref.settings.config import Config
from grao_ref.training.logprobs import log_probabilities_in_parts
from grao_ref.training.undo import copied
from grao_ref.training.update import make_optimizer, update

SAMPLING, SCORING, UPDATE, EVALUATION = "sampling", "scoring", "update", "evaluation"


@dataclass(frozen=True)
class Sampling:
    """Answers that are sampled at once."""

    prompts: tuple[int, ...]  # tokens of each
    group: int
    length: int  # tokens of an answer, at most
    temperatures: tuple[float, float]  # of sampling, and of the likelihoods
    half: bool  # in bfloat16 autocast


def state(policy: CausalLMPolicy, config: Config, count: Bytes) -> tuple[Any, torch.optim.Optimizer]:
    """The reference model, or the policy itself where there is none, and an optimiser that has made its first step."""
    if policy.critic is not None:
        outlined(policy.critic, count)
    reference: Any = policy
    if method_of(config.method).needs(config).reference_model:
        with count.making(REFERENCE):
            reference = policy.frozen()
    optimizer = make_optimizer(policy, config)
    count.trained = {tuple(sorted(tensor.shape)) for tensor in policy.parameters() if tensor.dim() == 2}
    with count.making(MOMENTS):
        for parameter in policy.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return reference, optimizer


@torch.no_grad()
def sampling(policy: CausalLMPolicy, plan: Sampling, count: Bytes) -> dict[str, int]:
    """The peak of the prefill, or of the last token of answers that are all as long as they may be."""
    model, left = policy.model, push_right(tokens_of(plan.prompts))
    rows = len(plan.prompts) * plan.group
    temperature, likelihood = plan.temperatures
    at = {"temperature": temperature, "likelihood_temperature": likelihood}
    uniforms = torch.zeros(rows, dtype=torch.float64)
    count.forget_peak()
    cache = DynamicCache(config=model.config)
    with torch.autocast("cpu", torch.bfloat16) if plan.half else nullcontext(), weights_cast_once(model):
        logits = model(**_inputs(left.mask, count), past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        repeat_with_room(cache, torch.arange(len(plan.prompts)).repeat_interleave(plan.group), plan.length)
        logits = logits[:, -1].repeat_interleave(plan.group, 0)
        _name(cache, count)
        draw(logits.float(), uniforms, **at)
        attended = torch.nn.functional.pad(left.mask.repeat_interleave(plan.group, 0), (0, plan.length), value=True)
        if plan.length > 1:
            with count.unseen():  # as if all but the last had been sampled
                before = _inputs(attended[:, :-1], count, last=plan.length - 1)
                model(**before, past_key_values=cache, use_cache=True, logits_to_keep=1)
                _name(cache, count)
            step = _inputs(attended, count, last=1)
            logits = model(**step, past_key_values=cache, use_cache=True).logits[:, -1]
            draw(logits.float(), uniforms, **at)
    return count.peak


def _inputs(attended: Tensor, count: Bytes, last: int | None = None) -> dict[str, Any]:
    """Model inputs for some last tokens; the mask is an outline, since the real one would be large."""
    rows, width = attended.shape
    steps = width if last is None else last
    inputs: dict[str, Any] = with_positions(torch.zeros(rows, steps, dtype=torch.long), attended)
    mask = Outline(torch.empty(rows, 1, steps, width, dtype=torch.bool, device=META), count)
    return inputs | {"attention_mask": mask}


def _name(cache: DynamicCache, count: Bytes) -> None:
    for layer in cache.layers:
        for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if isinstance(tensor, Outline):
                count.rename(tensor.on_meta, CACHE)


def scoring(policy: Any, batch: Batch, names: tuple[str, ...], count: Bytes) -> dict[str, int]:
    """The peak of a micro-batch's log-probabilities without gradient."""
    count.forget_peak()
    with OutlinedMasks(count):
        log_probabilities_in_parts(policy, batch, names, temperature=1.0, parts=1)
    return count.peak


def updating(
    policy: CausalLMPolicy, optimizer: torch.optim.Optimizer, batch: Batch, config: Config, count: Bytes
) -> dict[str, int]:
    """The peak of an update, whose gradients stay. With several micro-batches: of the second.

    It finds the gradients of the first, each of which is there until the second one's is added to it. With several
    updates on a batch, a copy of what they change is there until the last of them.
    """
    earlier = {id(each): each.numel() * each.element_size() for each in policy.parameters()}
    if config.gradient_accumulation_steps == 1:
        earlier = {}

    def arrived(tensor: Tensor) -> None:
        assert isinstance(tensor.grad, Outline)
        count.rename(tensor.grad.on_meta, GRADIENTS)
        count.add(GRADIENTS, -earlier.pop(id(tensor), 0))

    hooks: list[Any] = [each.register_post_accumulate_grad_hook(arrived) for each in policy.parameters()]  # type: ignore[no-untyped-call]
    with count.making(COPY):
        copy = copied(optimizer) if config.num_iterations > 1 else None
    count.forget_peak()
    count.add(GRADIENTS, sum(earlier.values()))
    one = replace(config, gradient_accumulation_steps=1)
    with OutlinedMasks(count):
        update(policy, optimizer, batch, one, independent_prompts=False)
    count.add(GRADIENTS, -sum(earlier.values()))  # of what the update did not reach
    for hook in hooks:
        hook.remove()
    del copy
    return count.peak


def batch_of(lengths: Lengths, config: Config) -> Batch:
    """A micro-batch in which every row is trained on."""
    needs = method_of(config.method).needs(config)
    prompts, references = tokens_of(lengths.prompts), tokens_of([max(1, length) for length in lengths.references])
    rejected = tokens_of(lengths.rejected) if needs.rejected else None
    count, group, longest = len(prompts.ids), config.num_generations, config.max_completion_length
    batch = Batch(prompts, references, rejected)
    if needs.samples:
        ids = torch.zeros(count, group, longest, dtype=torch.long)
        numbers = torch.zeros(ids.shape)
        ones, one = torch.ones(count, group), torch.ones(count)
        batch = replace(
            batch,
            samples=Samples(ids, torch.ones_like(ids, dtype=torch.bool), numbers),
            rewards=Rewards.complete(ones, one),
            advantages=Advantages(ones, one),
            critique=Critique(numbers, numbers, numbers) if needs.critic else None,
        )
    if needs.reference_model:
        named = {name: _numbers(getattr(batch, name)) for name in needs.reference_model}
        batch = replace(batch, reference_model=LogProbs(**named))
    return batch


def _numbers(answers: Samples | Tokens) -> Tensor:
    return torch.zeros(answers.ids.shape)
