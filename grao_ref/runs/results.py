"""The results of a command's runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from grao_ref.evaluation.monitor import Shown

# The measures of a run without a reward, as tables and pictures call them, in their order; others follow.
MEASURES = {
    "eval_rewards/accuracies": "accuracy of pairs",
    "eval_rewards/margins": "margin of pairs",
    "eval_reference/logp_per_token": "log-likelihood of y, nats/token",
    "eval_loss": "loss",
}


def measure_of(name: str) -> str:
    """What a measure is called, by its name in metrics.jsonl.

    >>> measure_of("eval_loss"), measure_of("eval_rewards/chosen")
    ('loss', 'rewards/chosen')
    """
    return MEASURES.get(name, name.removeprefix("eval_"))


@dataclass(frozen=True)
class Results:
    """The results of a command's runs: curves by name, the references' reward, one run's answers before and after.

    With a reward, the curves are mean rewards, one for each method. Without one there is one method, and its curves are
    what the held-out rows are evaluated by, under the names of metrics.jsonl.
    """

    curves: dict[str, "Curve"]
    reference: float | None  # the references' mean reward; None without a reward, or without references
    shown: str  # whose answers these are
    before: Shown
    after: Shown
    rows: list[dict[str, Any]]  # of the metrics, every run's
    scored: bool = True  # whether the curves are rewards

    def measures(self) -> dict[str, "Curve"]:
        """The curves of a run without a reward, under the words of `MEASURES`."""
        named = {words: self.curves[name] for name, words in MEASURES.items() if name in self.curves}
        return named | {measure_of(name): curve for name, curve in self.curves.items() if name not in MEASURES}


@dataclass(frozen=True)
class Curve:
    """A measure of R runs at S steps: by default their mean reward."""

    steps: list[int]
    scores: Float[Tensor, "S R"]

    def at(self, index: int) -> str:
        """Mean, and Student's 95 % interval over the runs where there are several."""
        scores = self.scores[index].double()
        if len(scores) < 2 or index == 0:  # before training all runs are the same
            return f"{scores.mean():.3f}"
        half = stats.t.ppf(0.975, len(scores) - 1) * scores.std(correction=1) / len(scores) ** 0.5
        return f"{scores.mean():.3f} ± {half:.3f}"


def of_seeds(curves: Sequence[Curve]) -> Curve:
    """The runs of several seeds, evaluated at the same steps, as one curve."""
    return Curve(curves[0].steps, torch.cat([curve.scores for curve in curves], dim=1))


def curves_of(measured: Mapping[int, Mapping[str, Float[Tensor, "R"]]]) -> dict[str, Curve]:
    """What evaluations measured, by step, as a curve for each measure; NaN where one could not be measured."""
    names = dict.fromkeys(name for each in measured.values() for name in each)
    runs = next(iter(next(iter(measured.values())).values())).shape
    nothing = torch.full(runs, torch.nan)
    return {
        name: Curve(list(measured), torch.stack([each.get(name, nothing) for each in measured.values()]))
        for name in names
    }
