"""What a method is: one record of functions, and what has to be collected before they are called.

An objective sees log-probabilities, never a model. It returns terms to be maximised, one for each prompt and not yet
reduced; `training/update.py` divides their sum by the method's denominator, counted over the whole batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.advantage import scored_advantages
from grao_ref.equations.masked import masked_mean
from grao_ref.records import Advantages, Batch, Critique, LogProbs, Rewards
from grao_ref.settings.config import Config

Field = TypeVar("Field")
Sequences = Literal["samples", "references", "rejected"]
_MISSING = cast(Any, None)  # a part that was left out is refused by name when the method is registered


@dataclass(frozen=True)
class Needs:
    """What a method's functions read, and the trainer therefore collects. All of it is optional."""

    samples: bool = False  # groups, their rewards and advantages, and the policy's log-probabilities of them
    references: bool = False  # the policy's log-probabilities of y
    rejected: bool = False  # and of the rejected answer, which every row then has to have
    critic: bool = False  # the critic's values, before the update and in it
    reference_model: tuple[Sequences, ...] = ()  # of which sequences the policy before training gives log-probabilities


@dataclass(frozen=True)
class Terms:
    """What an objective returns, by prompt."""

    objective: Float[Tensor, "N"]  # to be maximised, with gradient, not yet reduced
    # Logged beside it; for fewer prompts where the method has `rows`. `loss` and `grad_norm` are the trainer's own.
    metrics: Mapping[str, Float[Tensor, "M"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """Some of a batch's rows: True on those that are meant."""

    samples: Bool[Tensor, "N G"]
    references: Bool[Tensor, "N"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method is whole in its file: everything below is its own, and `register` makes it usable by name.

    name: what `--method` and the log call it.
    needs: config -> what has to be collected.
    objective: the policy's log-probabilities, with gradient, and the batch -> terms by prompt, to be maximised.
    denominator: the whole batch of an optimiser step -> the number that the sum of its terms is divided by.
    advantages: rewards -> advantages; needed by a method that needs samples.
    critique: a batch with samples, rewards and the critic's values before the update -> the targets of every token;
        needed by a method that needs a critic.
    weights: advantages and rewards -> w_i (N, G) and w_y (N,), where the objective is Σ_i w_i J(o_i) + w_y J(y) with
        mean log-likelihoods J (thm-1), over `prompt_count`: all that another trainer needs (`weights.py`).
    rows: a batch -> the samples and references that its objective's gradient can reach. The others are not forwarded:
        their log-probabilities are given as 0, whatever they are. All are, if left.
    reads: settings that it reads, of those that not every method does. `ablate` is refused where it is not among them,
        and the log names others that have been set (`registry.ignored`).
    kl_weight: the weight of its KL penalty where a config gives no `beta`; None where the method has none.
    check: raises `ValueError` on settings that it can't run with.
    label: what tables call a run with these settings; its name if left. summary: the log's first line; its label.
    """

    name: str = _MISSING
    needs: Callable[[Config], Needs] = _MISSING
    objective: Callable[[LogProbs, Batch, Config], Terms] = _MISSING
    denominator: Callable[[Batch, Config], int] = _MISSING
    advantages: Callable[[Rewards, Config], Advantages] | None = None
    critique: Callable[[Batch, Float[Tensor, "N G T"], Config], Critique] | None = None
    weights: Callable[[Advantages, Rewards, Config], tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]] | None = None
    rows: Callable[[Batch, Config], Rows] | None = None
    reads: tuple[str, ...] = ()
    kl_weight: float | None = None
    check: Callable[[Config], None] | None = None
    label: Callable[[Config], str] | None = None
    summary: Callable[[Config], str] | None = None


def given(value: Field | None) -> Field:
    """A field of the batch or of the log-probabilities that the method needs.

    Raises `ValueError` where it was not collected, because the method's `needs` leave it out.
    """
    if value is None:
        raise ValueError("a method reads what was not collected: its `needs` must ask for it")
    return value


def beta_or(default: float, config: Config) -> float:
    """The weight of the KL penalty: the config's `beta`, or the method's own default."""
    return default if config.beta is None else config.beta


def prompt_count(batch: Batch, config: Config) -> int:
    """The denominator of objectives that are a mean over prompts."""
    return len(batch)


def standardized(rewards: Rewards, *, pool: str) -> Advantages:
    """eq-4 over the scored samples: an unscored one is left out of the pool, and its advantage is 0."""
    A_o, A_y = scored_advantages(
        rewards.outputs,
        rewards.reference,
        scored=rewards.scored,
        reference_scored=rewards.reference_scored,
        pool=pool,
    )
    return Advantages(A_o, A_y)


def trained_tokens(batch: Batch) -> Bool[Tensor, "N G T"]:
    """True on the tokens that an objective may use: those of samples that could be scored."""
    return given(batch.samples).mask & given(batch.rewards).scored[..., None]


def with_signal(batch: Batch) -> Bool[Tensor, "N G"]:
    """True on the samples that could be scored and whose advantage is not 0."""
    return given(batch.rewards).scored & (given(batch.advantages).outputs != 0)


def mean_over_group(tokens: Float[Tensor, "N G T"], batch: Batch) -> Float[Tensor, "N"]:
    """1/|o_i| Σ_t of each sample, then the mean over the group's samples that could be scored."""
    return masked_mean(masked_mean(tokens, trained_tokens(batch)), given(batch.rewards).scored)
