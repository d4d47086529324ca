"""What the stages of one step hand to each other: frozen records, with a shape on every field.

N prompts, G samples of each, T tokens of a sample, Y of a reference, U of a rejected answer, F reward functions. A new
quantity is a new field, never a new meaning of an old one. A mask is True where the entry beside it counts; what stands
behind it is never read. The first dimension of every field is the prompts', so that `take` can split a batch between
its prompts and nowhere else: a group is never torn apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

Record = TypeVar("Record")


@dataclass(frozen=True)
class Tokens:
    """One sequence for each prompt: the prompts themselves, references y, rejected answers."""

    ids: Int[Tensor, "N T"]
    mask: Bool[Tensor, "N T"]  # True on the sequence's tokens; made from lengths, never from ids

    def __post_init__(self) -> None:
        _require_shapes(2, ids=self.ids, mask=self.mask)


@dataclass(frozen=True)
class Samples:
    """The group: G samples of each prompt, exactly as sampled (never re-encoded text)."""

    ids: Int[Tensor, "N G T"]
    mask: Bool[Tensor, "N G T"]  # True on sampled tokens, the end-of-sequence token included
    logprobs: Float[Tensor, "N G T"]  # log-probabilities under the policy that sampled: π_θold
    ended: Bool[Tensor, "N G"] | None = None  # True where the answer ended by itself, and was not cut off

    def __post_init__(self) -> None:
        _require_shapes(3, ids=self.ids, mask=self.mask, logprobs=self.logprobs)


@dataclass(frozen=True)
class Scores:
    """What each of F reward functions gave each answer, unweighted."""

    values: Float[Tensor, "N G F"]  # 0 where not scored
    scored: Bool[Tensor, "N G F"]  # True where the function could score the answer

    def __post_init__(self) -> None:
        _require_shapes(3, values=self.values, scored=self.scored)

    @classmethod
    def complete(cls, values: Float[Tensor, "N G F"]) -> "Scores":
        """Scores where every function could score every answer."""
        return cls(values, torch.ones_like(values, dtype=torch.bool))


@dataclass(frozen=True)
class Rewards:
    """R(o_i, y) of the samples and R(y, y) of the references, by the same functions; 0 where not scored."""

    outputs: Float[Tensor, "N G"]
    reference: Float[Tensor, "N"]
    scored: Bool[Tensor, "N G"]  # True on samples that could be scored: only they are averaged over and trained on
    reference_scored: Bool[Tensor, "N"]  # True on references that could be scored
    parts: Scores | None = None  # of the samples, by reward function

    def __post_init__(self) -> None:
        _require_shapes(2, outputs=self.outputs, scored=self.scored)
        _require_shapes(1, reference=self.reference, reference_scored=self.reference_scored)
        _require_prompts(self.outputs, self.reference)

    @classmethod
    def complete(cls, outputs: Float[Tensor, "N G"], reference: Float[Tensor, "N"]) -> "Rewards":
        """Rewards where everything could be scored."""
        scored, reference_scored = (torch.ones_like(rewards, dtype=torch.bool) for rewards in (outputs, reference))
        return cls(outputs, reference, scored, reference_scored)


@dataclass(frozen=True)
class Advantages:
    """Â_oi of the samples and Â_y of the reference: constants of the step, computed before the batch is split."""

    outputs: Float[Tensor, "N G"]  # 0 for a sample that could not be scored
    reference: Float[Tensor, "N"]

    def __post_init__(self) -> None:
        _require_shapes(2, outputs=self.outputs)
        _require_prompts(self.outputs, self.reference)


@dataclass(frozen=True)
class Critique:
    """PPO's targets for every token: GAE's advantages, returns, and the critic's values, all from before the update."""

    advantages: Float[Tensor, "N G T"]
    returns: Float[Tensor, "N G T"]
    values: Float[Tensor, "N G T"]

    def __post_init__(self) -> None:
        _require_shapes(3, advantages=self.advantages, returns=self.returns, values=self.values)


@dataclass(frozen=True)
class LogProbs:
    """Log-probabilities of a batch's tokens under one policy, 0 where a mask is False; those that a method needs."""

    samples: Float[Tensor, "N G T"] | None = None
    references: Float[Tensor, "N Y"] | None = None
    rejected: Float[Tensor, "N U"] | None = None
    values: Float[Tensor, "N G T"] | None = None  # no log-probabilities: the critic's V before each sampled token


@dataclass(frozen=True)
class Batch:
    """All that the updates of one step need; a method's `Needs` decide which of the optional fields are there."""

    prompts: Tokens
    references: Tokens  # y; DPO's chosen answers
    rejected: Tokens | None = None
    samples: Samples | None = None
    rewards: Rewards | None = None
    advantages: Advantages | None = None
    reference_model: LogProbs | None = None  # of the policy before training: constants of the run
    critique: Critique | None = None
    rows: Int[Tensor, "N"] | None = None  # where in its data set each prompt stands, for a task that has one

    def __post_init__(self) -> None:
        for name, record in vars(self).items():
            for field, tensor in _tensors(record):
                if tensor.shape[0] != len(self):
                    raise ValueError(f"{name}.{field} must have {len(self)} prompts, got shape {tuple(tensor.shape)}")

    def __len__(self) -> int:
        return self.prompts.ids.shape[0]


def take(record: Record, rows: slice) -> Record:
    """The same record of some of its prompts."""
    return _each(record, lambda tensor: tensor[rows])


def split(size: int, parts: int) -> list[slice]:
    """`size` prompts in at most `parts` consecutive pieces, as equal as they can be."""
    cuts = [size * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(cuts) if stop > start]


def join(records: Sequence[Record]) -> Record:
    """`take` taken back: the prompts of several records behind each other, padded alike with entries of 0 or False."""
    first = records[0]

    def joined(name: str) -> Any:
        values = [getattr(record, name) for record in records]
        if values[0] is None:
            return None
        return join(values) if is_dataclass(values[0]) else _stacked(values)

    return type(first)(**{field.name: joined(field.name) for field in fields(first)})  # type: ignore[arg-type]


def move(record: Record, device: torch.device) -> Record:
    """The same record on another device."""
    return _each(record, lambda tensor: tensor.to(device))


def _each(record: Record, change: Callable[[Tensor], Tensor]) -> Record:
    def changed(value: Any) -> Any:
        if value is None:
            return None
        return _each(value, change) if is_dataclass(value) else change(value)

    return type(record)(**{field.name: changed(getattr(record, field.name)) for field in fields(record)})  # type: ignore[arg-type]


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    sizes = [max(of) for of in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    missing = [[size - own for size, own in zip(sizes, tensor.shape[1:], strict=True)] for tensor in tensors]
    widths = [[side for width in reversed(each) for side in (0, width)] for each in missing]  # as `pad` has them
    return torch.cat([pad(tensor, width) for tensor, width in zip(tensors, widths, strict=True)])


def _tensors(value: Any) -> list[tuple[str, Tensor]]:
    """The tensors of a record and of the records in it, by name."""
    if not is_dataclass(value):
        return []
    named = vars(value).items()
    own = [(name, field) for name, field in named if isinstance(field, Tensor)]
    return own + [(f"{name}.{inner}", tensor) for name, field in named for inner, tensor in _tensors(field)]


def _require_shapes(dimensions: int, **tensors: Tensor) -> None:
    (first, reference), *others = tensors.items()
    shape = tuple(reference.shape)
    if len(shape) != dimensions:
        raise ValueError(f"{first} must have {dimensions} dimensions, got shape {shape}")
    for name, tensor in others:
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must have the shape of {first}, {shape}, got {tuple(tensor.shape)}")


def _require_prompts(outputs: Tensor, reference: Tensor) -> None:
    if tuple(reference.shape) != tuple(outputs.shape[:1]):
        raise ValueError(
            f"reference must have one entry for each of {outputs.shape[0]} prompts, got shape {tuple(reference.shape)}"
        )
