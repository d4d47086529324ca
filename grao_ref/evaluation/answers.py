"""A policy's answers to held-out prompts: sampled, scored, and with the base policy's log-probabilities of them.

And how likely it finds the pairs of answers that the rows come with.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.evaluation.held_out import CPU, HeldOut
from grao_ref.evaluation.metrics import Answers, Pairs
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import Samples, move
from grao_ref.training.logprobs import log_probabilities


@torch.no_grad()
def answers_of(
    policy: CausalLMPolicy, base: CausalLMPolicy | None, held_out: HeldOut, *, temperature: float, size: int
) -> Answers:
    """One answer to each held-out prompt, and how likely the policy finds the pairs that the rows come with.

    With the base's log-probabilities of the answers, unless the base has other tokens.
    """
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
    pairs = pairs_of(policy, held_out, size=size)
    return Answers(samples, texts, torch.cat(rewards), torch.cat(scored), base_logprobs, pairs)


@torch.no_grad()
def pairs_of(policy: CausalLMPolicy, held_out: HeldOut, *, size: int) -> Pairs | None:
    """How likely the policy finds the pairs of answers that the rows have, `size` answers at a time.

    None where a row has no rejected answer.
    """
    if held_out.batch.rejected is None:
        return None
    names = ("references", "rejected")
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for part in held_out.parts(max(size // 2, 1), rejected=True):
        logprobs = move(log_probabilities(policy, move(part, policy.device), names, temperature=1.0), CPU)
        for name in names:
            found[name].append(mean_log_likelihood(getattr(logprobs, name), getattr(part, name).mask).double())
    return Pairs(*(torch.cat(found[name]) for name in names))


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples of several batches as one."""
    width = max(part.ids.shape[-1] for part in parts)
    ids, mask, logprobs = (
        torch.cat([_widened(getattr(part, name), width) for part in parts]) for name in ("ids", "mask", "logprobs")
    )
    return Samples(ids, mask, logprobs)


def _widened(values: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, width - values.shape[-1]))
