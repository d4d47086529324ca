"""eq-1: supervised fine-tuning, the log-likelihood of the reference and nothing else."""

from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.equations.logprob import mean_log_likelihood


def sft_objective(token_logprobs: Float[Tensor, "*batch T"], mask: Bool[Tensor, "*batch T"]) -> Float[Tensor, "*batch"]:
    """J_SFT = 1/|y| Σ_t log π(y_t | q, y_<t), to be maximised (eq-1).

    - `token_logprobs`: log π(y_t | q, y_<t) of each token of a reference, in nats.
    - `mask`: True on the tokens that count.

    Returns one term for each reference, in nats per token. Every reference weighs the same; trainers that average over
    the batch's tokens (TRL's SFTTrainer) weigh long ones more. To do that, reduce `sum_log_likelihood` by
    `token_count`.
    Raises `ValueError` on mismatched shapes or a mask that is not boolean.
    """
    return mean_log_likelihood(token_logprobs, mask)
