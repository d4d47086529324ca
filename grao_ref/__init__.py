"""grao_ref: the reference implementation of GRAO (Group Relative Alignment Optimization, arXiv:2508.07750)."""

from grao_ref.equations.advantage import group_advantages
from grao_ref.equations.grao import (
    GRAOTerms,
    grao_objective,
    grao_objective_while_ahead,
    imitate_while_ahead,
    likelihood_weights,
    likelihood_weights_while_ahead,
)
from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.equations.metrics import normalized_alignment_gain, relative_adversarial_score

__all__ = [
    "GRAOTerms",
    "grao_objective",
    "grao_objective_while_ahead",
    "group_advantages",
    "imitate_while_ahead",
    "likelihood_weights",
    "likelihood_weights_while_ahead",
    "mean_log_likelihood",
    "normalized_alignment_gain",
    "relative_adversarial_score",
]
__version__ = "0.1.0"
