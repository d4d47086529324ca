"""Every metric of every policy, with 95 % bootstrap intervals over prompts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import stats
from torch import Tensor

from grao_ref.evaluation.metrics import METRICS, Answers, Comparison

Measured = tuple[float, float, float]  # value, and the ends of its 95 % bootstrap interval (NaN for a single prompt)


@dataclass(frozen=True)
class Evaluated:
    """The results of an evaluation, by policy; the base is the first."""

    prompts: list[str]
    references: list[str]
    reference_rewards: Float[Tensor, "N"]  # 0 where not scored
    reference_scored: Bool[Tensor, "N"]
    answers: dict[str, Answers]
    metrics: dict[str, dict[str, Measured]]  # by policy and by metric
    temperature: float  # 0: greedy
    notes: tuple[str, ...] = ()  # what is left out, and why


def assess(comparison: Comparison, *, resamples: int) -> dict[str, Measured]:
    """Every registered metric of one policy, each over the prompts where it is defined.

    What could not be scored is left out of RAS, NAG and the reward; its share is a metric too. Without references there
    is no RAS. Raises `ValueError` where nothing could be scored.
    """
    if not comparison.scored.any():
        both = "an answer and a reference" if comparison.has_references else "an answer"
        raise ValueError(f"no prompt has {both} that could be scored")
    measured = {}
    for name, metric in METRICS.items():
        values = metric.values(comparison)
        if values is not None:
            measured[name] = bootstrap(metric.statistic, *values, resamples=resamples)
    return measured


def bootstrap(statistic: Callable[..., float], *values: Tensor, resamples: int) -> Measured:
    """A statistic over prompts with its 95 % percentile interval; several tensors are resampled together."""
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
