"""The metrics of an evaluation, a row of one registry each: name, unit, meaning, function.

A metric that is registered, here or by a user (`register_metric`), appears in the terminal's table, in evaluation.md
and in evaluation.json.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.equations.dpo import preference_margin
from grao_ref.equations.masked import masked_sum
from grao_ref.equations.metrics import normalized_alignment_gain, relative_adversarial_score
from grao_ref.records import Samples


@dataclass(frozen=True)
class Pairs:
    """1/|y| log π(y) of the two answers that each row has, in nats a token, at temperature 1."""

    chosen: Float[Tensor, "N"]
    rejected: Float[Tensor, "N"]


@dataclass(frozen=True)
class Answers:
    """One policy's answers to N prompts, one each."""

    samples: Samples  # (N, 1, T)
    texts: list[str]
    rewards: Float[Tensor, "N"]  # 0 where not scored
    scored: Bool[Tensor, "N"]
    base_logprobs: Float[Tensor, "N 1 T"] | None = None  # of the same answers, under the base policy
    pairs: Pairs | None = None  # the rows' own answers under this policy; None where they have no rejected ones
    base_pairs: Pairs | None = None  # the same under the base policy; None for itself, and where it has other tokens

    @property
    def mask(self) -> Bool[Tensor, "N T"]:
        """True on the answers' tokens."""
        return self.samples.mask[:, 0]


@dataclass(frozen=True)
class Comparison:
    """A policy's answers beside the base policy's and the references, on the same N prompts."""

    after: Answers
    before: Answers  # the base policy's; of the base policy itself, the same
    reference: Float[Tensor, "N"]  # R(y, y)
    reference_scored: Bool[Tensor, "N"]

    @property
    def has_references(self) -> bool:
        """Whether a reference could be scored; rows that are prompts alone have none."""
        return bool(self.reference_scored.any())

    @property
    def scored(self) -> Bool[Tensor, "N"]:
        """True where both the answer and the reference could be scored; without references, the answer."""
        return self.after.scored & self.reference_scored if self.has_references else self.after.scored

    @property
    def both_scored(self) -> Bool[Tensor, "N"]:
        """True where the base's answer could be scored as well."""
        return self.scored & self.before.scored

    @property
    def relative(self) -> Float[Tensor, "N"]:
        """R(o, y): the answer's reward minus the reference's, which is 0 where there is none.

        A judge's verdict is relative already: R(y, y) = 0.
        """
        return self.after.rewards - self.reference

    @property
    def was(self) -> Float[Tensor, "N"]:
        """The same of the base policy's answers."""
        return self.before.rewards - self.reference


Values = tuple[Tensor, ...]  # by prompt, over the prompts where the metric is defined


def mean(values: Tensor) -> float:
    """The plain mean."""
    return values.mean().item()


@dataclass(frozen=True)
class Metric:
    """One metric. Its interval comes from resampling the prompts.

    unit: "%" for shares, which tables multiply by 100; "" for rewards. meaning: its explanation in evaluation.md.
    values: a comparison -> what is resampled, by prompt; None where the metric is not defined for it.
    statistic: the values -> the metric; by default their mean.
    """

    name: str
    unit: str
    meaning: str
    values: Callable[[Comparison], Values | None]
    statistic: Callable[..., float] = mean


def _relative(c: Comparison) -> Values | None:
    return (c.relative[c.scored],) if c.has_references else None


def _both(c: Comparison) -> Values | None:
    return (c.relative[c.both_scored], c.was[c.both_scored]) if c.both_scored.any() else None


def _divergence(c: Comparison) -> Values | None:
    """log π(o) − log π_base(o) of the sampled answers, and their tokens."""
    if c.after.base_logprobs is None:
        return None
    ratio = masked_sum(c.after.samples.logprobs - c.after.base_logprobs, c.after.samples.mask)[:, 0]
    return ratio.double(), c.after.mask.sum(dim=-1).double()


def _total_divergence(c: Comparison) -> Values | None:
    found = _divergence(c)
    return found and found[:1]


def _ahead(c: Comparison) -> Values | None:
    pairs = c.after.pairs
    return None if pairs is None else (pairs.chosen - pairs.rejected,)


def _gained(c: Comparison) -> Values | None:
    """IPO's margin: how much more the chosen answer gained over the base than the rejected one, per token."""
    now, base = c.after.pairs, c.after.base_pairs
    if now is None or base is None:
        return None
    return (preference_margin(now.chosen, now.rejected, base.chosen, base.rejected),)


def share_ahead(margins: Float[Tensor, "N"]) -> float:
    """The share of the pairs whose chosen answer is ahead; a tie counts half.

    >>> share_ahead(torch.tensor([2.0, 0.0, -1.0, 0.5]))
    0.625
    """
    return ((margins > 0).double() + 0.5 * (margins == 0).double()).mean().item()


def repetition(ids: Int[Tensor, "N T"], mask: Bool[Tensor, "N T"], length: int = 3) -> Float[Tensor, "N"]:
    """Share of an answer's three-token runs that repeat an earlier one; 0 for answers of fewer than three tokens.

    >>> repetition(torch.tensor([[1, 2, 1, 2, 1, 2]]), torch.ones(1, 6, dtype=torch.bool))
    tensor([0.5000], dtype=torch.float64)
    """
    shares = []
    for row, kept in zip(ids, mask, strict=True):
        tokens = row[kept].tolist()
        runs = list(zip(*(tokens[start:] for start in range(length)), strict=False))
        shares.append(1 - len(set(runs)) / len(runs) if runs else 0.0)
    return torch.tensor(shares, dtype=torch.float64)


BUILT_IN = (
    Metric("RAS", "%", "share of answers that beat their reference (eq-5), %", _relative, relative_adversarial_score),
    Metric("RAS, ties won", "%", "the same, ties counted as wins, %", _relative,
           lambda r: relative_adversarial_score(r, ties="win")),
    Metric("NAG", "%", "share of prompts answered better than by the base (eq-6), %", _both, normalized_alignment_gain),
    Metric("NAG, signed", "%", "wins minus losses against the base, %", _both,
           lambda after, before: normalized_alignment_gain(after, before, signed=True)),
    Metric("reward", "", "mean reward", lambda c: (c.after.rewards[c.scored],)),
    Metric("unscored", "%", "share of prompts whose answer or reference could not be scored, %",
           lambda c: ((~c.scored).double(),)),
    Metric("length", "tokens", "tokens of an answer", lambda c: (c.after.mask.sum(dim=-1).double(),)),
    Metric("repetition", "%", "share of three-token runs that the answer has had before, %",
           lambda c: (repetition(c.after.samples.ids[:, 0], c.after.mask),)),
    Metric("KL", "nats", "estimate of KL(policy ‖ base) in nats per answer, at the sampling temperature",
           _total_divergence),
    Metric("KL per token", "nats", "the same per token", _divergence, lambda k, n: (k.sum() / n.sum()).item()),
    Metric("chosen likelier", "%", "share of pairs whose chosen answer is likelier per token than the rejected one, %",
           _ahead, share_ahead),
    Metric("chosen gained", "%",
           "share of pairs whose chosen answer gained more log-likelihood per token over the base than the rejected, %",
           _gained, share_ahead),
)  # fmt: skip
METRICS = {metric.name: metric for metric in BUILT_IN}  # and what users add


def register_metric(metric: Metric) -> Metric:
    """Add a metric to every evaluation. Raises `ValueError` on a name that is taken, and on one without a name."""
    if not metric.name.strip():
        raise ValueError("a metric needs a name")
    if METRICS.setdefault(metric.name, metric) is not metric:
        raise ValueError(f"there is another metric {metric.name!r} already")
    return metric
