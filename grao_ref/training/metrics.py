"""What is logged of a step: TRL's names where it has them, and GRAO's own.

A metric by prompt has one entry for each prompt for which it is defined; its mean over them is what is logged.
"""

import torch
from torch import Tensor

from grao_ref.equations.masked import masked_mean
from grao_ref.records import Batch
from grao_ref.tasks.interface import Task

TERMS = "objective/"  # the prefix of the three terms of eq-3


def reward_metrics(batch: Batch, task: Task) -> dict[str, Tensor]:
    """What the samples of a step earned, by prompt: over the samples that could be scored."""
    rewards = batch.rewards
    if rewards is None or batch.advantages is None:
        return {}
    outputs, reference, scored = rewards.outputs, rewards.reference[:, None], rewards.scored
    any_scored, both = scored.any(dim=-1), scored & rewards.reference_scored[:, None]
    mean = masked_mean(outputs, scored)
    variance = masked_mean((outputs - mean[:, None]).square(), scored)
    wins = masked_mean((outputs > reference).to(outputs.dtype), both)
    lowest = outputs.masked_fill(~scored, torch.inf).amin(dim=-1)
    highest = outputs.masked_fill(~scored, -torch.inf).amax(dim=-1)
    metrics = {
        "reward": mean[any_scored],
        "reward_std": variance.sqrt()[any_scored],
        "frac_reward_zero_std": (highest <= lowest).to(outputs.dtype),
        "frac_unscored": 1 - scored.to(outputs.dtype).mean(dim=-1),
        "reference/reward": rewards.reference[rewards.reference_scored],
        "reference/advantage": batch.advantages.reference[rewards.reference_scored],
        "reference/win_rate": wins[both.any(dim=-1)],
    }
    if rewards.parts is not None:
        values, could = rewards.parts.values.unbind(dim=-1), rewards.parts.scored.unbind(dim=-1)
        for name, part, counted in zip(task.reward_weights, values, could, strict=True):
            metrics[f"rewards/{name}/mean"] = masked_mean(part, counted)[counted.any(dim=-1)]
    return metrics


def completion_metrics(batch: Batch) -> dict[str, Tensor]:
    """How long the samples are, how many were cut off, how certain the policy was of them: scored or not."""
    samples = batch.samples
    if samples is None:
        return {}
    lengths = samples.mask.sum(dim=-1).to(samples.logprobs.dtype)
    metrics = {
        "completions/mean_length": lengths.mean(dim=-1),
        "completions/min_length": lengths.amin(),
        "completions/max_length": lengths.amax(),
        # −log π of what was sampled, on average the entropy of a token's distribution (at temperature 1)
        "entropy": masked_mean(-samples.logprobs, samples.mask).mean(dim=-1),
    }
    if samples.ended is not None:
        metrics["completions/clipped_ratio"] = (~samples.ended).to(lengths.dtype).mean(dim=-1)
    return metrics


def shares(metrics: dict[str, Tensor]) -> dict[str, Tensor]:
    """Share of each of eq-3's terms in the sum of their sizes (figure-5); none where all are 0."""
    terms = {name: value.mean().abs() for name, value in metrics.items() if name.startswith(TERMS)}
    total = sum(terms.values(), torch.tensor(0.0))
    if not terms or total == 0:
        return {}
    return {name.replace(TERMS, "objective_share/"): value / total for name, value in terms.items()}


def with_skipped(metrics: dict[str, Tensor], skipped: bool) -> dict[str, Tensor]:
    """The metrics with `skipped`, 1 or 0. Those of a skipped step that are not finite are left out."""
    kept = {name: values for name, values in metrics.items() if not skipped or values.isfinite().all()}
    return kept | {"skipped": torch.tensor(float(skipped))}


def averaged(updates: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The metrics of several updates on one batch, each averaged over the updates."""
    if len(updates) == 1:
        return updates[0]
    return {name: torch.stack([metrics[name] for metrics in updates]).mean(dim=0) for name in updates[0]}


def on_cpu(metrics: dict[str, Tensor]) -> dict[str, Tensor]:
    """The metrics where every process can read them: a GPU's number is its process's own."""
    return {name: values.detach().cpu() for name, values in metrics.items()}


def joined(processes: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The metrics of several processes' prompts as those of one batch: entries by prompt behind each other.

    Of one number for all, the least of minima and the largest of maxima are taken; others are equal in all processes.
    """
    if len(processes) == 1:
        return processes[0]
    found = {}
    for name, first in processes[0].items():
        values = [metrics[name] for metrics in processes]
        if first.dim() > 0:
            found[name] = torch.cat(values)
        else:
            together = torch.stack(values)
            found[name] = together.amin() if "min" in name.split("/")[-1] else together.amax()
    return found


def mean_of(metric: Tensor) -> float | None:
    """A metric's mean over the prompts that have it; None where none has."""
    return metric.double().mean().item() if metric.numel() else None
