"""eq-5 and eq-6: what the paper's tables report, from the judge's scores R(o, y) against the reference y."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from grao_ref.equations.checks import require_finite, require_one_of

TIES = {"loss": 0.0, "half": 0.5, "win": 1.0}


def relative_adversarial_score(scores: Float[Tensor, "N"] | Int[Tensor, "N"], *, ties: str = "loss") -> float:
    """RAS = 1/N Σ_i 1[ R(o_i, y_i) > 0 ], the share of answers that beat their reference (eq-5).

    - `scores`: R(o_i, y_i) of N answers, > 0 where the judge prefers the answer to its reference, 0 for a tie.
    - `ties`: what a tie counts: "loss" as printed (0), "half", or "win" (appendix: "combined win and tie rates").

    Returns a number in [0, 1].
    Raises `ValueError` on an empty or non-vector input, NaN or infinite scores, unknown ties.

    >>> import torch
    >>> scores = torch.tensor([1.0, 0.0, 0.0, -1.0])
    >>> [relative_adversarial_score(scores, ties=ties) for ties in ("loss", "half", "win")]
    [0.25, 0.5, 0.75]
    """
    _require_scores(scores=scores)
    require_one_of(tuple(TIES), ties=ties)
    wins, equal = int((scores > 0).sum()), int((scores == 0).sum())
    return (wins + TIES[ties] * equal) / len(scores)


def normalized_alignment_gain(
    after: Float[Tensor, "N"] | Int[Tensor, "N"],
    before: Float[Tensor, "N"] | Int[Tensor, "N"],
    *,
    signed: bool = False,
) -> float:
    """NAG = 1/N Σ_i 1[ R(o_post,i, y_i) > R(o_pre,i, y_i) ], the share of queries answered better (eq-6).

    - `after`: R(o_post,i, y_i), the scores of the trained policy's answers to N queries.
    - `before`: R(o_pre,i, y_i), the scores of the answers to the same queries before training.
    - `signed`: subtract the share of queries answered worse. Table-1 has a NAG of −1.64 %, which the printed formula
      can't give.

    Returns a number in [0, 1]; in [−1, 1] where it is signed.
    Raises `ValueError` on empty, non-vector or mismatched inputs, NaN or infinite scores.

    >>> import torch
    >>> after, before = torch.tensor([1.0, 0.0, -1.0]), torch.tensor([0.0, 0.0, 1.0])
    >>> round(normalized_alignment_gain(after, before), 4), normalized_alignment_gain(after, before, signed=True)
    (0.3333, 0.0)
    """
    _require_scores(after=after, before=before)
    wins, losses = int((after > before).sum()), int((after < before).sum())
    return (wins - losses) / len(after) if signed else wins / len(after)


def _require_scores(**scores: Any) -> None:
    """Vectors of one length, N >= 1, of any real dtype; finite."""
    lengths = []
    for name, value in scores.items():
        if not (isinstance(value, Tensor) and value.dim() == 1 and len(value) > 0):
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name} must be a tensor of shape (N,) with N >= 1, got {shape}")
        lengths.append(len(value))
        if len(value) != lengths[0]:
            raise ValueError(f"{name} must have shape ({lengths[0]},), got ({len(value)},): nothing is broadcast")
        require_finite(**{name: value})
