"""Tables for the terminal and the picture of a run."""

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from jaxtyping import Float
from rich import box
from rich.table import Table
from scipy import stats
from torch import Tensor

from grao_ref.experiment import Shown

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito: colour-blind safe


@dataclass(frozen=True)
class Results:
    """What a command's runs came to: curves by name, the references' reward, one run's answers before and after."""

    curves: dict[str, "Curve"]
    reference: float
    shown: str  # whose answers these are
    before: Shown
    after: Shown


@dataclass(frozen=True)
class Curve:
    """Mean reward of R runs at S steps."""

    steps: list[int]
    scores: Float[Tensor, "S R"]

    def at(self, index: int) -> str:
        """Mean, and Student's 95 % interval over the runs where there are several."""
        scores = self.scores[index].double()
        if len(scores) < 2 or index == 0:  # before training all runs are the same
            return f"{scores.mean():.3f}"
        half = stats.t.ppf(0.975, len(scores) - 1) * scores.std(correction=1) / len(scores) ** 0.5
        return f"{scores.mean():.3f} ± {half:.3f}"


def score_table(results: Results) -> Table:
    """Before, on the way, after."""
    curves, reference = results.curves, results.reference
    first = next(iter(curves.values()))
    last = len(first.steps) - 1
    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        title=f"mean reward (references: {reference:.3f})",
    )
    table.add_column("method", no_wrap=True)
    shown = sorted({0, last // 4, last // 2, last})
    for index in shown:
        title = f"step {first.steps[index]}" if index else "base"
        table.add_column(title, justify="right", no_wrap=True)
    for name, curve in curves.items():
        table.add_row(name, *(curve.at(index) for index in shown))
    return table


def samples_table(results: Results) -> Table:
    """The same prompts answered greedily before and after training, by the last run."""
    table = Table(box=box.SIMPLE, title=f"greedy answers of {results.shown}")
    for column in ("prompt", "before", "reward", "after", "reward"):
        table.add_column(column, justify="right" if column == "reward" else "left")
    for (prompt, old, old_reward), (_, new, new_reward) in zip(results.before, results.after, strict=True):
        table.add_row(prompt, old, f"{old_reward:.2f}", new, f"{new_reward:.2f}")
    return table


def draw(results: Results, path: Path) -> None:
    """Mean reward by step; the band is the middle 80 % of the runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, curve), colour in zip(results.curves.items(), cycle(COLOURS), strict=False):
        scores = curve.scores.double()
        axes.plot(curve.steps, scores.mean(dim=1), label=name, color=colour)
        if scores.shape[1] > 1:
            band = (scores.quantile(0.1, dim=1), scores.quantile(0.9, dim=1))
            axes.fill_between(curve.steps, *band, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(results.reference, color="grey", linestyle=":", label="references")
    runs = next(iter(results.curves.values())).scores.shape[1]
    axes.set(xlabel="step", ylabel="mean reward", ylim=(0, 1.02))
    axes.set_title("1 run" if runs == 1 else f"mean and middle 80 % of {runs} runs")
    axes.legend(frameon=False, ncols=2, loc="lower right")
    figure.savefig(path, dpi=150)
