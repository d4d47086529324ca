"""CHORD-φ (arXiv:2508.11408): GRPO beside SFT whose tokens are weighed by how undecided the policy is."""

from grao_ref.equations.masked import masked_mean
from grao_ref.methods.grpo import clipped_terms
from grao_ref.methods.interface import Method, Needs, Terms, given, mean_over_group, prompt_count, standardized
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config

MU = 0.1  # weight of SFT, the paper's for φ


def needs(config: Config) -> Needs:
    """Groups, and log π(y)."""
    return Needs(samples=True, references=True)


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """GRPO's: the reference is not in the pool, and its reward is not read."""
    return standardized(rewards, pool="outputs")


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """J = (1−μ) J_GRPO + μ 1/|y| Σ_t φ_t log π(y_t), φ_t = π(1−π) of the token, as a constant."""
    exploration = mean_over_group(clipped_terms(logprobs, batch, config), batch)
    mask = batch.references.mask
    log_pi = given(logprobs.references).masked_fill(~mask, 0)
    pi = log_pi.detach().exp()
    imitation = masked_mean(pi * (1 - pi) * log_pi, mask)
    return Terms((1 - MU) * exploration + MU * imitation, {"objective/imitation": imitation})


CHORD = Method(
    name="chord",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=prompt_count,
    reads=("epsilon",),
)
