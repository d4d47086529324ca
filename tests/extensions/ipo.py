"""IPO (arXiv:2310.12036) as a plug-in: a method that samples nothing, and logs no metric of its own."""

from grao_ref.equations.dpo import ipo_objective
from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.methods.interface import Method, Needs, Terms, beta_or, given, prompt_count
from grao_ref.records import Batch, LogProbs
from grao_ref.settings.config import Config

KL_WEIGHT = 0.5


def needs(config: Config) -> Needs:
    """log π and log π_ref of y and of the rejected answer."""
    return Needs(references=True, rejected=True, reference_model=("references", "rejected"))


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """−(Δ − 1/(2 β_KL))² of each pair's mean log-likelihoods."""
    before, y, rejected = given(batch.reference_model), batch.references.mask, given(batch.rejected).mask
    pair = (
        mean_log_likelihood(given(logprobs.references), y),
        mean_log_likelihood(given(logprobs.rejected), rejected),
        mean_log_likelihood(given(before.references), y),
        mean_log_likelihood(given(before.rejected), rejected),
    )
    return Terms(ipo_objective(*pair, kl_coef=beta_or(KL_WEIGHT, config)))


IPO = Method(name="ipo", needs=needs, objective=objective, denominator=prompt_count, kl_weight=KL_WEIGHT)
