"""LUFFY's mixed pool (arXiv:2504.14945) as a plug-in: the reference is one more sample, with a shaped ratio.

J = 1/(G+1) ( Σ_i clipped ratio of sample i · Â_i + f(π(y)) Â_y ), f(x) = x / (x + γ), token by token; eq-4's pool holds
the reference.
"""

from grao_ref.equations.grpo import grpo_objective
from grao_ref.equations.masked import masked_mean
from grao_ref.methods.interface import Method, Needs, Terms, given, prompt_count, standardized, trained_tokens
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config

GAMMA = 0.1  # of the paper


def needs(config: Config) -> Needs:
    """Groups, and log π(y)."""
    return Needs(samples=True, references=True)


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """eq-4 over the samples and the reference."""
    return standardized(rewards, pool="with_reference")


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """The mean over the G samples and the reference; samples that could not be scored are left out."""
    A, scored, mask = given(batch.advantages), given(batch.rewards).scored, trained_tokens(batch)
    tokens = grpo_objective(given(logprobs.samples), given(batch.samples).logprobs, A.outputs, mask)
    pi_y = given(logprobs.references).exp()  # the trace's own probability is taken to be 1
    trace = masked_mean(pi_y / (pi_y + GAMMA), batch.references.mask) * A.reference
    n = scored.sum(dim=-1)
    return Terms((n * masked_mean(masked_mean(tokens, mask), scored) + trace) / (n + 1), {"luffy/trace": trace})


LUFFY = Method(name="luffy", needs=needs, advantages=advantages, objective=objective, denominator=prompt_count)
