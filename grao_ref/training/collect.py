"""First half of a step: prompts -> samples -> rewards -> advantages -> whatever else stays constant in its updates.

The method's `needs` decide what is collected, and its `advantages` are used. No method is named in this file.
"""

from dataclasses import replace

import torch

from grao_ref.methods.calls import advantages_of, critique_of
from grao_ref.methods.interface import Method
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, Rewards
from grao_ref.settings.config import Config
from grao_ref.tasks.interface import Task, weighted
from grao_ref.training.logprobs import log_probabilities_in_parts


@torch.no_grad()
def collect(
    batch: Batch, task: Task, policy: Policy, reference_model: Policy, config: Config, rng: torch.Generator
) -> Batch:
    """The whole batch of a step whose prompts are given. `reference_model`: the policy before training.

    Raises `ValueError` where the method needs references or rejected answers and the task gives none.
    """
    method = method_of(config.method)
    needs = require_needs(method, config)
    at, parts = {"temperature": config.likelihood_temperature}, config.gradient_accumulation_steps
    if needs.rejected and batch.rejected is None:
        raise ValueError(f"{method.name} needs rejected answers, and this task gives none")
    if needs.references and not batch.references.mask.any(dim=-1).all():
        raise ValueError(f"{method.name} needs references, and this task has prompts without one")
    if needs.samples:
        batch = _sample(batch, task, policy, method, config, rng)
    if needs.reference_model:
        before = log_probabilities_in_parts(reference_model, batch, needs.reference_model, **at, parts=parts)
        batch = replace(batch, reference_model=before)
    if needs.critic:
        values = log_probabilities_in_parts(policy, batch, ("values",), **at, parts=parts).values
        assert values is not None
        batch = replace(batch, critique=critique_of(method, batch, values, config))
    return batch


def _sample(batch: Batch, task: Task, policy: Policy, method: Method, config: Config, rng: torch.Generator) -> Batch:
    """Groups, the rewards of samples and references by the same functions, the method's advantages."""
    samples = policy.sample(
        batch.prompts,
        config.num_generations,
        temperature=config.temperature,
        rng=rng,
        likelihood_temperature=config.likelihood_temperature,
        parts=config.gradient_accumulation_steps,
    )
    parts, of_references = task.reward(batch, samples.ids, samples.mask), task.reward_references(batch)
    outputs, scored = weighted(parts, task.reward_weights)
    reference, reference_scored = weighted(of_references, task.reward_weights)
    rewards = Rewards(outputs, reference[:, 0], scored, reference_scored[:, 0], parts=parts)
    return replace(batch, samples=samples, rewards=rewards, advantages=advantages_of(method, rewards, config))
