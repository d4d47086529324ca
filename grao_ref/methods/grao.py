"""GRAO (arXiv:2508.07750): eq-3 on the advantages of eq-4, as printed or repaired (thm-4), whole or ablated."""

from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.grao import (
    grao_objective,
    grao_objective_while_ahead,
    likelihood_weights,
    likelihood_weights_while_ahead,
)
from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.equations.masked import over_scored
from grao_ref.methods.interface import (
    Method,
    Needs,
    Rows,
    Terms,
    given,
    prompt_count,
    standardized,
    trained_tokens,
    with_signal,
)
from grao_ref.records import Advantages, Batch, LogProbs, Rewards
from grao_ref.settings.config import Config


def needs(config: Config) -> Needs:
    """Groups, and log π(y)."""
    return Needs(samples=True, references=True)


def advantages(rewards: Rewards, config: Config) -> Advantages:
    """eq-4: the reference joins the pool, or is measured against the samples'."""
    return standardized(rewards, pool=config.pool)


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """J_GRAO of each group (eq-3). Its mean over the group runs over the samples that could be scored."""
    A, scored, (beta, lam) = given(batch.advantages), given(batch.rewards).scored, coefficients(config)
    eq_3 = grao_objective_while_ahead if config.imitate_only_when_ahead else grao_objective
    J_y = mean_log_likelihood(given(logprobs.references), batch.references.mask)
    terms = eq_3(
        mean_log_likelihood(given(logprobs.samples), trained_tokens(batch)),
        J_y,
        over_scored(A.outputs, scored),
        A.reference,
        beta=beta,
        lam=lam,
    )
    left_out = terms.exploration if "exploration" in config.ablate else 0.0
    metrics = {
        "objective/exploration": terms.exploration - left_out,
        "objective/imitation": beta * terms.imitation,
        "objective/alignment": lam * terms.alignment,
        "reference/logp_per_token": J_y[rows(batch, config).references],
    }
    return Terms(terms.total - left_out, metrics)


def coefficients(config: Config) -> tuple[float, float]:
    """β and λ: 0 where the term is left out."""
    beta = 0.0 if "imitation" in config.ablate else config.imitation_coef
    lam = 0.0 if "alignment" in config.ablate else config.alignment_coef
    return beta, lam


def weights(A: Advantages, rewards: Rewards, config: Config) -> tuple[Float[Tensor, "N G"], Float[Tensor, "N"]]:
    """w_i and w_y (thm-1) of the objective above: total = Σ_i w_i J_exploration(o_i) + w_y J_imitation(y)."""
    outputs, (beta, lam) = over_scored(A.outputs, rewards.scored), coefficients(config)
    weigh = likelihood_weights_while_ahead if config.imitate_only_when_ahead else likelihood_weights
    w_o, w_y = weigh(outputs, A.reference, beta=beta, lam=lam)
    return (lam / (1 + lam) * w_o if "exploration" in config.ablate else w_o), w_y


def rows(batch: Batch, config: Config) -> Rows:
    """Samples with an advantage, and references with a weight (thm-1): in the repaired objective, one above 0."""
    A, rewards, (beta, lam) = given(batch.advantages), given(batch.rewards), coefficients(config)
    references = weights(A, rewards, config)[1] != 0
    if not config.imitate_only_when_ahead:  # also where the two terms of w_y cancel, since each is logged
        references = (beta * A.reference != 0) | (lam * over_scored(A.outputs, rewards.scored).mean(dim=-1) != 0)
    return Rows(with_signal(batch), references)


def check(config: Config) -> None:
    """Raise `ValueError` where nothing is left of eq-3."""
    if len(set(config.ablate)) == 3:
        raise ValueError("ablate leaves out all three terms: nothing would be trained")


def label(config: Config) -> str:
    """Which of the two objectives is trained, and without which terms: neither passes for the other."""
    without = "".join(f" − {term}" for term in config.ablate)
    return ("grao, repaired" if config.imitate_only_when_ahead else "grao, as printed") + without


def summary(config: Config) -> str:
    """The same in a sentence, with the switch to the other one."""
    if config.imitate_only_when_ahead:
        return (
            "grao, repaired. The reference is imitated only while it is ahead of its group (thm-4); "
            "--no-imitate-only-when-ahead trains the objective as printed."
        )
    return (
        "grao, as printed. Once the policy is better than a reference, it unlearns it without end (thm-4); "
        "--imitate-only-when-ahead is the repair."
    )


GRAO = Method(
    name="grao",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=prompt_count,
    weights=weights,
    rows=rows,
    reads=("imitation_coef", "alignment_coef", "pool", "imitate_only_when_ahead", "ablate"),
    check=check,
    label=label,
    summary=summary,
)
