"""GRAO repaired and capped, its samples weighed by their surprise (after arXiv:2603.14608)."""

import torch
from torch import Tensor

from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.methods.interface import Method, Needs, Terms, given, prompt_count, trained_tokens
from grao_ref.methods.neighbours import capped
from grao_ref.methods.neighbours.bar import advantages
from grao_ref.records import Batch, LogProbs
from grao_ref.settings.config import Config


def needs(config: Config) -> Needs:
    """Groups, and log π(y)."""
    return Needs(samples=True, references=True)


def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
    """Σ_i 2 s_i w_i J(o_i) + w_y J(y), s_i = sigmoid(Â_i · surprise_i), surprise_i = −1/|o_i| Σ_t log π(o_it).

    A rare success counts up to twice, a likely one once; a rare failure goes towards nothing.
    """
    A, rewards = given(batch.advantages), given(batch.rewards)
    w_o, w_y = capped.weights(A, rewards, config)
    mask = trained_tokens(batch)
    surprise = -mean_log_likelihood(given(batch.samples).logprobs, mask)
    factor: Tensor = 2 * torch.sigmoid(A.outputs * surprise)
    J_o = mean_log_likelihood(given(logprobs.samples), mask)
    J_y = mean_log_likelihood(given(logprobs.references), batch.references.mask)
    return Terms((factor * w_o * J_o).sum(dim=-1) + w_y * J_y, {"objective/imitation": w_y * J_y})


SURPRISE = Method(
    name="surprise",
    needs=needs,
    advantages=advantages,
    objective=objective,
    denominator=prompt_count,
    reads=("imitation_coef", "alignment_coef"),
)
