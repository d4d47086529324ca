"""Second half of a step: scores -> terms -> their sum over an explicit denominator -> one minus sign -> optimiser."""

import torch
from torch import Tensor

from grao_ref.algorithms import ALGORITHMS, Algorithm, likelihood_temperature
from grao_ref.config import Config
from grao_ref.equations.reduce import batch_loss
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, Scored, Tokens, split, take


def make_optimizer(policy: Policy, config: Config) -> torch.optim.Optimizer:
    """SGD, or Adam with decoupled weight decay, over all that the policy trains."""
    if config.optimizer == "adam":
        return torch.optim.AdamW(policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.SGD(policy.parameters(), lr=config.learning_rate)


def update(
    policy: Policy, optimizer: torch.optim.Optimizer, batch: Batch, config: Config, *, independent_prompts: bool
) -> dict[str, Tensor]:
    """One optimiser step on the batch; the objective's figures by prompt, (N,) each, and `grad_norm` before clipping.

    The gradient of a given batch does not depend on how many micro-batches it is split into: each is divided by the
    same denominator, counted over the whole, and groups stay whole. Prompts that share no parameters are each a
    batch of one. Raises `FloatingPointError` on an objective or a gradient that is not finite.
    """
    algorithm = ALGORITHMS[config.method]
    whole = take(batch, slice(0, 1)) if independent_prompts else batch
    denominator = algorithm.denominator(whole, config)
    optimizer.zero_grad(set_to_none=True)
    parts = []
    for rows in split(len(batch), config.gradient_accumulation_steps):
        part = take(batch, rows)
        terms, extra = algorithm.objective(score(policy, algorithm, part, config), part, config)
        torch.autograd.backward(batch_loss(terms, denominator))
        parts.append({"objective": terms * (len(whole) / denominator)} | extra)
    limit = config.max_grad_norm if config.max_grad_norm > 0 else torch.inf
    norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), limit)
    figures = {name: torch.cat([part[name].detach() for part in parts]) for name in parts[0]} | {"grad_norm": norm}
    objective = figures["objective"]
    if not (norm.isfinite() and objective.isfinite().all()):
        raise FloatingPointError(
            f"the objective is {objective.sum().item()} and its gradient's norm {norm.item()}: "
            "the step was refused, the policy is as it was"
        )
    optimizer.step()
    return figures


def score(policy: Policy, algorithm: Algorithm, batch: Batch, config: Config) -> Scored:
    """The log-probabilities (and values) that the algorithm's equations read, with gradient."""
    temperature = likelihood_temperature(config)

    def of(answers: Tokens) -> Tensor:
        ids, mask = answers.ids[:, None], answers.mask[:, None]  # a group of one
        return policy.logprobs(batch.prompts, ids, mask, temperature=temperature)[:, 0]

    samples = batch.samples if algorithm.samples else None
    return Scored(
        outputs=None
        if samples is None
        else policy.logprobs(batch.prompts, samples.ids, samples.mask, temperature=temperature),
        references=of(batch.references) if algorithm.references else None,
        rejected=of(batch.rejected) if algorithm.rejected and batch.rejected is not None else None,
        values=policy.values(batch.prompts, samples.ids, samples.mask) if algorithm.critic and samples else None,
    )
