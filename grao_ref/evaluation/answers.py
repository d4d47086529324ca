"""A policy's answers to held-out prompts: sampled, scored, and with the base policy's log-probabilities of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from grao_ref.evaluation.held_out import HeldOut
from grao_ref.evaluation.metrics import Answers
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import Samples, move


@torch.no_grad()
def answers_of(
    policy: CausalLMPolicy, base: CausalLMPolicy | None, held_out: HeldOut, *, temperature: float, size: int
) -> Answers:
    """One answer to each held-out prompt, and the base's log-probabilities of it, unless the base has other tokens."""
    parts, rewards, scored, scores = [], [], [], []
    for part, samples in held_out.sampled(policy, num_generations=1, temperature=temperature, size=size):
        parts.append(samples)
        if temperature > 0 and base is not None:
            prompts, there = move(part.prompts, policy.device), move(samples, policy.device)
            scores.append(base.logprobs(prompts, there.ids, there.mask, temperature=temperature).cpu())
        reward, could = held_out.rewards(part, samples)
        rewards.append(reward[:, 0])
        scored.append(could[:, 0])
    samples, base_logprobs = joined(parts), None
    if scores:
        base_logprobs = torch.cat([_widened(score, samples.ids.shape[-1]) for score in scores])
    texts = [held_out.text(ids[0][mask[0]].tolist()) for ids, mask in zip(samples.ids, samples.mask, strict=True)]
    return Answers(samples, texts, torch.cat(rewards), torch.cat(scored), base_logprobs)


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples of several batches as one."""
    width = max(part.ids.shape[-1] for part in parts)
    ids, mask, logprobs = (
        torch.cat([_widened(getattr(part, name), width) for part in parts]) for name in ("ids", "mask", "logprobs")
    )
    return Samples(ids, mask, logprobs)


def _widened(values: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, width - values.shape[-1]))
