"""SFT: supervised fine-tuning on the references (eq-1). It samples nothing and reads no reward."""

from grao_ref.equations.sft import sft_objective
from grao_ref.methods.interface import Method, Needs, Terms, given, prompt_count
from grao_ref.records import Batch, LogProbs
from grao_ref.settings.config import Config


def needs(config: Config) -> Needs:
    """log π(y)."""
    return Needs(references=True)


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """J_SFT = 1/|y| Σ_t log π(y_t) of each reference (eq-1)."""
    J_y = sft_objective(given(logprobs.references), batch.references.mask)
    return Terms(J_y, {"reference/logp_per_token": J_y})


SFT = Method(
    name="sft",
    needs=needs,
    objective=objective,
    denominator=prompt_count,
)
