"""What is reported of a step, by prompt or as one number: TRL's names where it has them, and GRAO's own."""

import torch
from torch import Tensor

from grao_ref.equations.masked import masked_mean
from grao_ref.records import Batch
from grao_ref.tasks.interface import Task


def reward_figures(batch: Batch, task: Task) -> dict[str, Tensor]:
    """What the samples of a step earned, by prompt; NaN where none could be scored."""
    if batch.rewards is None or batch.advantages is None or batch.rewards.parts is None:
        return {}
    outputs, reference = batch.rewards.outputs, batch.rewards.reference
    scored = ~outputs.isnan()
    count = scored.sum(dim=-1)  # where it is 0, the mean is 0/0: NaN
    mean = outputs.nan_to_num(nan=0.0).sum(dim=-1) / count
    deviation = (outputs - mean[:, None]).square().nan_to_num(nan=0.0)
    wins = (outputs > reference[:, None]).to(outputs.dtype).sum(dim=-1) / (scored & ~reference.isnan()[:, None]).sum(-1)
    lowest, highest = outputs.nan_to_num(nan=torch.inf).amin(dim=-1), outputs.nan_to_num(nan=-torch.inf).amax(dim=-1)
    figures = {
        "reward": mean,
        "reward_std": (deviation.sum(dim=-1) / count).sqrt(),
        "frac_reward_zero_std": (highest <= lowest).to(outputs.dtype),
        "frac_unscored": 1 - scored.to(outputs.dtype).mean(dim=-1),
        "reference/reward": reference,
        "reference/advantage": batch.advantages.reference,
        "reference/win_rate": wins,
    }
    for name, part in zip(task.reward_weights, batch.rewards.parts.unbind(dim=-1), strict=True):
        figures[f"rewards/{name}/mean"] = part.nanmean(dim=-1)
    return figures


def completion_figures(batch: Batch) -> dict[str, Tensor]:
    """How long the samples are, how many were cut off, how sure the policy was of them: of all, scored or not."""
    samples = batch.samples
    if samples is None:
        return {}
    lengths = samples.said.sum(dim=-1).to(samples.logprobs.dtype)
    figures = {
        "completions/mean_length": lengths.mean(dim=-1),
        "completions/min_length": lengths.amin(),
        "completions/max_length": lengths.amax(),
        # −log π of what was sampled, on average the entropy of a token's distribution (at temperature 1)
        "entropy": masked_mean(-samples.logprobs, samples.said).mean(dim=-1),
    }
    if samples.ended is not None:
        figures["completions/clipped_ratio"] = (~samples.ended).to(lengths.dtype).mean(dim=-1)
    return figures


def shares(figures: dict[str, Tensor]) -> dict[str, Tensor]:
    """Share of each of eq-3's terms in the sum of their sizes (figure-5); NaN where all are 0."""
    terms = {name: value.mean().abs() for name, value in figures.items() if name.startswith("loss/")}
    total = sum(terms.values(), torch.tensor(0.0))
    return {name.replace("loss/", "loss_share/"): value / total for name, value in terms.items()}
