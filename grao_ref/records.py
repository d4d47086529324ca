"""What the stages of one step hand to each other: frozen records, with a shape on every field.

N prompts, G samples of each, T tokens. A new quantity is a new field, never a new meaning of an old one.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """What the policy said: G samples of each prompt, exactly as sampled (never re-encoded text)."""

    ids: Int[Tensor, "N G T"]  # tokens, anything behind the mask
    mask: Bool[Tensor, "N G T"]  # True on sampled tokens, the end-of-sequence token included; by length
    logprobs: Float[Tensor, "N G T"]  # log-probabilities under the policy that sampled: π_θold

    def __post_init__(self) -> None:
        _require_shapes(3, ids=self.ids, mask=self.mask, logprobs=self.logprobs)


@dataclass(frozen=True)
class Answers:
    """One given answer for each prompt: references y, or the chosen and the rejected side of pairs."""

    ids: Int[Tensor, "N T"]
    mask: Bool[Tensor, "N T"]

    def __post_init__(self) -> None:
        _require_shapes(2, ids=self.ids, mask=self.mask)


@dataclass(frozen=True)
class Rewards:
    """R(o_i, y) of the samples and R(y, y) of the references, by the same reward function."""

    outputs: Float[Tensor, "N G"]
    reference: Float[Tensor, "N"]

    def __post_init__(self) -> None:
        _require_shapes(2, outputs=self.outputs)
        _require_prompts(self.outputs, self.reference)


@dataclass(frozen=True)
class Advantages:
    """Â_oi and Â_y of eq-4: constants of the step, computed once, before the batch is split."""

    outputs: Float[Tensor, "N G"]
    reference: Float[Tensor, "N"]

    def __post_init__(self) -> None:
        _require_shapes(2, outputs=self.outputs)
        _require_prompts(self.outputs, self.reference)


def _require_shapes(dimensions: int, **tensors: Tensor) -> None:
    names = list(tensors)
    shape = tuple(tensors[names[0]].shape)
    if len(shape) != dimensions:
        raise ValueError(f"{names[0]} must have {dimensions} dimensions, got shape {shape}")
    for name in names[1:]:
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} must have the shape of {names[0]}, {shape}, got {tuple(tensors[name].shape)}")


def _require_prompts(outputs: Tensor, reference: Tensor) -> None:
    if tuple(reference.shape) != tuple(outputs.shape[:1]):
        raise ValueError(
            f"reference must have one entry for each of {outputs.shape[0]} prompts, got shape {tuple(reference.shape)}"
        )
