"""LUFFY (arXiv:2504.14945): GRPO on samples and reference as one group, the reference's ratio shaped."""

from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.masked import masked_mean
from grao_ref.methods.grpo import clipped_terms
from grao_ref.methods.interface import Method, Needs, Terms, given, mean_over_group, prompt_count, standardized
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config

GAMMA = 0.1  # of f(x) = x/(x+γ), the paper's


def needs(config: Config) -> Needs:
    """Groups, and log π(y)."""
    return Needs(samples=True, references=True)


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """Â over samples and reference together."""
    return standardized(rewards, pool="with_reference")


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """J = (G · J_GRPO + Â_y · 1/|y| Σ_t f(π(y_t))) / (G + 1), f(x) = x/(x+γ).

    The reference's own behaviour policy is taken to be certain, as in the paper's code, so its ratio is π(y_t). Each
    answer is averaged over its tokens; the paper divides by the batch's tokens. Â is divided by the deviation, as in
    the paper's formula; published settings for it leave that out.
    """
    A = given(batch.advantages)
    size = A.outputs.shape[1]
    exploration = mean_over_group(clipped_terms(logprobs, batch, config), batch)
    shaped = reference_ratio(given(logprobs.references), batch.references.mask)
    total = (size * exploration + A.reference * shaped) / (size + 1)
    return Terms(total, {"reference/shaped_ratio": shaped})


def reference_ratio(logprobs: Float[Tensor, "N T"], mask: Tensor) -> Float[Tensor, "N"]:
    """1/|y| Σ_t f(π(y_t)), with gradient: γ π / (π+γ)² of each token's log-probability, which dies with π."""
    pi = logprobs.masked_fill(~mask, 0).exp()
    return masked_mean(pi / (pi + GAMMA), mask)


LUFFY = Method(
    name="luffy",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=prompt_count,
    reads=("epsilon",),
)
