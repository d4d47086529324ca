"""Second half of a step: scores -> terms -> their sum over an explicit denominator -> one minus sign -> optimiser."""

from itertools import pairwise

import torch
from torch import Tensor

from grao_ref.algorithms import Algorithm
from grao_ref.config import Config
from grao_ref.equations.reduce import batch_loss
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, Scored, Tokens, take


def make_optimizer(policy: Policy, config: Config) -> torch.optim.Optimizer:
    """SGD or Adam over all that the policy trains."""
    if config.optimizer == "adam":
        return torch.optim.Adam(policy.parameters(), lr=config.learning_rate)
    return torch.optim.SGD(policy.parameters(), lr=config.learning_rate)


def update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    algorithm: Algorithm,
    batch: Batch,
    config: Config,
    denominator: int,
) -> dict[str, Tensor]:
    """One optimiser step on the batch; the objective's figures by prompt, (N,) each, and `grad_norm` before clipping.

    The gradient does not depend on `gradient_accumulation_steps`: every micro-batch is divided by the
    same denominator, and groups stay whole.
    Raises `FloatingPointError` on an objective or a gradient that is not finite.
    """
    optimizer.zero_grad(set_to_none=True)
    parts = []
    for rows in split(len(batch), config.gradient_accumulation_steps):
        part = take(batch, rows)
        terms, extra = algorithm.objective(score(policy, algorithm, part, config), part, config)
        torch.autograd.backward(batch_loss(terms, denominator))
        parts.append({"objective": terms} | extra)
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

    def of(answers: Tokens) -> Tensor:
        ids, mask = answers.ids[:, None], answers.mask[:, None]  # a group of one
        return policy.logprobs(batch.prompts, ids, mask, temperature=config.temperature)[:, 0]

    samples = batch.samples if algorithm.samples else None
    return Scored(
        outputs=None
        if samples is None
        else policy.logprobs(batch.prompts, samples.ids, samples.mask, temperature=config.temperature),
        references=of(batch.references) if algorithm.references else None,
        rejected=of(batch.rejected) if algorithm.rejected and batch.rejected is not None else None,
        values=policy.values(batch.prompts, samples.ids, samples.mask) if algorithm.critic and samples else None,
    )


def split(size: int, parts: int) -> list[slice]:
    """`size` prompts in at most `parts` consecutive pieces, as equal as they can be."""
    cuts = [size * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(cuts) if stop > start]
