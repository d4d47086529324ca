"""DPO (arXiv:2305.18290): references against rejected answers, relative to the policy before training."""

from grao_ref.equations.checks import require_positive
from grao_ref.equations.dpo import dpo_objective, preference_margin
from grao_ref.equations.logprob import mean_log_likelihood, sum_log_likelihood
from grao_ref.methods.interface import Method, Needs, Terms, beta_or, given, prompt_count
from grao_ref.records import Batch, LogProbs
from grao_ref.settings.config import Config

KL_WEIGHT = 0.1


def needs(config: Config) -> Needs:
    """log π and log π_ref of y and of the rejected answer."""
    return Needs(references=True, rejected=True, reference_model=("references", "rejected"))


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """log σ(β_KL Δ) of each pair, Δ = log π/π_ref (y) − log π/π_ref (rejected)."""
    kl_coef, before = beta_or(KL_WEIGHT, config), given(batch.reference_model)
    y, rejected = batch.references.mask, given(batch.rejected).mask
    pair = (
        sum_log_likelihood(given(logprobs.references), y),
        sum_log_likelihood(given(logprobs.rejected), rejected),
        sum_log_likelihood(given(before.references), y),
        sum_log_likelihood(given(before.rejected), rejected),
    )
    margin = kl_coef * preference_margin(*pair).detach()
    metrics = {
        "rewards/margins": margin,
        "rewards/accuracies": (margin > 0).to(margin.dtype),
        "logps/chosen": pair[0],
        "logps/rejected": pair[1],
        "reference/logp_per_token": mean_log_likelihood(given(logprobs.references), y),
    }
    return Terms(dpo_objective(*pair, kl_coef=kl_coef), metrics)


def check(config: Config) -> None:
    """Raise `ValueError` on a margin of scale 0, which teaches nothing."""
    if config.beta is not None:
        require_positive(beta=config.beta)


DPO = Method(
    name="dpo",
    needs=needs,
    objective=objective,
    denominator=prompt_count,
    kl_weight=KL_WEIGHT,
    check=check,
)
