"""Second half of a step: log-probabilities -> terms -> their sum over a denominator -> one minus sign -> optimiser."""

from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from grao_ref.equations.reduce import batch_loss
from grao_ref.methods.calls import denominator_of, rows_of, terms_of
from grao_ref.methods.interface import Method, Needs, given
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, LogProbs, split, take
from grao_ref.settings.config import Config
from grao_ref.training.logprobs import log_probabilities
from grao_ref.training.machine import ALONE, Machine
from grao_ref.training.undo import all_or_nothing


class NotFiniteError(FloatingPointError):
    """An update that was refused, since its objective or gradient is not finite. `metrics`: those of that update."""

    def __init__(self, message: str, metrics: dict[str, Tensor]) -> None:
        super().__init__(message)
        self.metrics = metrics


def make_optimizer(policy: Policy, config: Config) -> torch.optim.Optimizer:
    """SGD, or Adam with decoupled weight decay, over all that the policy trains."""
    if config.optimizer == "adam":
        rate, decay = config.learning_rate, config.weight_decay
        return torch.optim.AdamW(policy.parameters(), lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(policy.parameters(), lr=config.learning_rate)


def updates(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    *,
    independent_prompts: bool,
    machine: Machine = ALONE,
    skipped: int = 0,
) -> tuple[list[dict[str, Tensor]], int]:
    """The `num_iterations` updates of a step, all or none: (the metrics of each, how many steps in a row are skipped).

    skipped: how many steps in a row were skipped before this one. A step is skipped, and changes nothing, where an
    update is not finite and no more than `max_skipped_steps` are skipped with it; then the metrics are those of that
    update, and the number is above 0. Raises `FloatingPointError` on one more. Whatever is raised, nothing has changed.
    """
    made = []
    try:
        with all_or_nothing(optimizer) if config.num_iterations > 1 else nullcontext():
            for _ in range(config.num_iterations):
                made.append(
                    update(policy, optimizer, batch, config, independent_prompts=independent_prompts, machine=machine)
                )
    except NotFiniteError as error:
        if skipped < config.max_skipped_steps:
            optimizer._opt_called = True  # type: ignore[attr-defined]  # torch warns of a schedule without a first step
            return [error.metrics], skipped + 1
        raise FloatingPointError(
            f"{error}; max_skipped_steps is {config.max_skipped_steps}, and {skipped + 1} in a row would be skipped"
        ) from None
    return made, 0


def update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    *,
    independent_prompts: bool,
    machine: Machine = ALONE,
) -> dict[str, Tensor]:
    """One optimiser step on the batch; its metrics: by prompt, (N,), and `grad_norm` before clipping.

    `loss` is what is minimised: its mean over the prompts is the loss of the batch. The gradient of a given batch does
    not depend on how many micro-batches and processes it is split into: each is divided by the same denominator,
    counted over the whole batch, and groups stay whole. Prompts that share no parameters are each a batch of one.
    Raises `NotFiniteError` on an objective or a gradient that is not finite: nothing has changed.
    """
    method = method_of(config.method)
    needs = require_needs(method, config)
    whole = take(batch, slice(0, 1)) if independent_prompts else machine.whole(batch)
    denominator = denominator_of(method, whole, config)
    optimizer.zero_grad(set_to_none=True)

    def backward(rows: slice) -> dict[str, Tensor]:
        part = take(batch, rows)
        terms = terms_of(method, forward(policy, with_rows(part, method, config), needs, config), part, config)
        torch.autograd.backward(batch_loss(terms.objective, denominator))
        return {"loss": -terms.objective * (len(whole) / denominator)} | dict(terms.metrics)

    pieces = split(len(batch), config.gradient_accumulation_steps)
    parts = machine.together(lambda: [backward(rows) for rows in pieces])
    machine.add_up(policy.parameters())
    limit = config.max_grad_norm if config.max_grad_norm > 0 else torch.inf
    norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), limit)
    metrics = {name: torch.cat([part[name].detach() for part in parts]) for name in parts[0]} | {"grad_norm": norm}
    is_finite = bool(norm.isfinite() and metrics["loss"].isfinite().all())
    if machine.total(int(not is_finite)):
        optimizer.zero_grad(set_to_none=True)
        raise NotFiniteError(
            f"the objective is {-metrics['loss'].sum().item()} and its gradient's norm {norm.item()}: "
            "the step was refused, the policy is as it was",
            metrics,
        )
    optimizer.step()
    return metrics


def with_rows(batch: Batch, method: Method, config: Config) -> Batch:
    """The batch without the tokens of rows that the objective's gradient can't reach: they are not forwarded.

    One row is left in any case, so that every parameter has its gradient, of 0, and Adam steps as it would.
    """
    rows = rows_of(method, batch, config)
    if rows is None:
        return batch
    samples, references = given(batch.samples), batch.references
    alive = rows.samples.clone()
    if not (alive.any() or rows.references.any()):
        alive[0, 0] = True
    return replace(
        batch,
        samples=replace(samples, mask=samples.mask & alive[..., None]),
        references=replace(references, mask=references.mask & rows.references[:, None]),
    )


def forward(policy: Policy, batch: Batch, needs: Needs, config: Config) -> LogProbs:
    """The log-probabilities (and values) that the method's objective reads, with gradient."""
    wanted = {
        "samples": needs.samples,
        "references": needs.references,
        "rejected": needs.rejected,
        "values": needs.critic,
    }
    named = [name for name, is_needed in wanted.items() if is_needed]
    return log_probabilities(policy, batch, named, temperature=config.likelihood_temperature)
