"""grao_ref: the reference implementation of GRAO (Group Relative Alignment Optimization, arXiv:2508.07750).

The public names are imported when they are first used: a command's `--help` needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from grao_ref.runs.finetune import finetune

__all__ = [
    "GRAOTerms",
    "finetune",
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

_MODULES = {  # where each name is defined
    "grao_ref.equations.advantage": ("group_advantages",),
    "grao_ref.equations.grao": (
        "GRAOTerms",
        "grao_objective",
        "grao_objective_while_ahead",
        "imitate_while_ahead",
        "likelihood_weights",
        "likelihood_weights_while_ahead",
    ),
    "grao_ref.equations.logprob": ("mean_log_likelihood",),
    "grao_ref.equations.metrics": ("normalized_alignment_gain", "relative_adversarial_score"),
    "grao_ref.runs.finetune": ("finetune",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
