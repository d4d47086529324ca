"""What is said of a trained policy beside the mean reward: eq-5, eq-6, length, repetition, distance from the base."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import stats
from torch import Tensor

from grao_ref.equations.masked import masked_sum
from grao_ref.equations.metrics import normalized_alignment_gain, relative_adversarial_score
from grao_ref.records import Samples

Measured = tuple[float, float, float]  # value, and the ends of its 95 % bootstrap interval


@dataclass(frozen=True)
class Answers:
    """One policy's answers to N prompts, one each."""

    samples: Samples  # (N, 1, T)
    texts: list[str]
    rewards: Float[Tensor, "N"]  # NaN: could not be scored
    base_logprobs: Float[Tensor, "N 1 T"] | None = None  # of the same answers, under the base policy


@dataclass(frozen=True)
class Evaluated:
    """All that an evaluation found out, by policy; the base is the first."""

    prompts: list[str]
    references: list[str]
    reference_rewards: Float[Tensor, "N"]
    answers: dict[str, Answers]
    figures: dict[str, dict[str, Measured]]
    temperature: float  # 0: greedy


def assess(after: Answers, before: Answers, reference: Float[Tensor, "N"], *, resamples: int) -> dict[str, Measured]:
    """Every figure of one policy, each over the prompts that it can be told of.

    R(o, y) is the reward of the answer minus that of the reference (a judge's verdict is relative already: its reward
    of y against y is 0). `before`: the base policy's answers; for itself, NAG is 0. What could not be scored is left
    out of RAS, NAG and the reward, and its share is told. Raises `ValueError` where that is everything.
    """
    relative, was = after.rewards - reference, before.rewards - reference
    told, both, mask = ~relative.isnan(), ~(relative.isnan() | was.isnan()), after.samples.mask[:, 0]
    if not told.any():
        raise ValueError("no prompt has an answer and a reference that could be scored")
    now, pair = relative[told], (relative[both], was[both])
    figures = {
        "RAS": bootstrap(relative_adversarial_score, now, resamples=resamples),
        "RAS, ties won": bootstrap(lambda r: relative_adversarial_score(r, ties="win"), now, resamples=resamples),
    }
    if both.any():
        figures["NAG"] = bootstrap(normalized_alignment_gain, *pair, resamples=resamples)
        figures["NAG, signed"] = bootstrap(
            lambda a, b: normalized_alignment_gain(a, b, signed=True), *pair, resamples=resamples
        )
    figures |= {
        "reward": bootstrap(_mean, after.rewards[told], resamples=resamples),
        "unscored": bootstrap(_mean, (~told).double(), resamples=resamples),
        "length": bootstrap(_mean, mask.sum(dim=-1).double(), resamples=resamples),
        "repetition": bootstrap(_mean, repetition(after.samples.ids[:, 0], mask), resamples=resamples),
    }
    if after.base_logprobs is not None:
        ratio = masked_sum(after.samples.logprobs - after.base_logprobs, after.samples.mask)[:, 0]
        figures["KL"] = bootstrap(_mean, ratio.double(), resamples=resamples)
        tokens = mask.sum(dim=-1).double()
        figures["KL per token"] = bootstrap(lambda k, n: (k.sum() / n.sum()).item(), ratio, tokens, resamples=resamples)
    return figures


def repetition(ids: Int[Tensor, "N T"], mask: Bool[Tensor, "N T"], length: int = 3) -> Float[Tensor, "N"]:
    """Share of an answer's runs of three tokens that it has had before; 0 for answers shorter than that.

    >>> repetition(torch.tensor([[1, 2, 1, 2, 1, 2]]), torch.ones(1, 6, dtype=torch.bool))
    tensor([0.5000], dtype=torch.float64)
    """
    shares = []
    for row, kept in zip(ids, mask, strict=True):
        tokens = row[kept].tolist()
        runs = list(zip(*(tokens[start:] for start in range(length)), strict=False))
        shares.append(1 - len(set(runs)) / len(runs) if runs else 0.0)
    return torch.tensor(shares, dtype=torch.float64)


def bootstrap(statistic: Callable[..., float], *values: Tensor, resamples: int) -> Measured:
    """A figure over prompts with its 95 % percentile interval; several tensors are resampled together."""
    arrays = tuple(value.double().numpy() for value in values)
    value = statistic(*values)
    if len(arrays[0]) < 2:
        return value, float("nan"), float("nan")
    interval = stats.bootstrap(
        arrays,
        lambda *resampled: statistic(*map(torch.from_numpy, resampled)),
        paired=True,
        vectorized=False,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return value, float(interval.low), float(interval.high)


def _mean(values: Tensor) -> float:
    return values.mean().item()
