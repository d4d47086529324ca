"""Tables for the terminal and the picture of a run."""

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from rich import box
from rich.table import Table
from rich.text import Text
from scipy import stats
from torch import Tensor

from grao_ref.evaluation import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito: colour-blind safe
TERMS = ("exploration", "imitation", "alignment")


@dataclass(frozen=True)
class Results:
    """What a command's runs came to: curves by name, the references' reward, one run's answers before and after."""

    curves: dict[str, "Curve"]
    reference: float
    shown: str  # whose answers these are
    before: Shown
    after: Shown
    rows: list[dict[str, Any]]  # of the metrics, every run's


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
        table.add_row(name, *(curve.at(index) for index in shown if index < len(curve.steps)))
    return table


def samples_table(results: Results) -> Table:
    """The same prompts answered greedily before and after training, by the last run."""
    table = Table(box=box.SIMPLE, title=f"greedy answers of {results.shown}", show_lines=len(str(results.before)) > 500)
    for column in ("prompt", "before", "reward", "after", "reward"):
        table.add_column(column, justify="right" if column == "reward" else "left", overflow="fold")
    for (prompt, old, old_reward), (_, new, new_reward) in zip(results.before, results.after, strict=True):
        table.add_row(literal(prompt), Text(old), number(old_reward), Text(new), number(new_reward))
    return table


def completions_table(rows: list[dict[str, Any]], count: int) -> Table:
    """The first samples of a step."""
    table = Table(box=box.SIMPLE, title=f"samples of step {rows[0]['step']}")
    names = list(rows[0])[1:]
    for name in names:
        table.add_column(name, overflow="fold", justify="left" if name in ("prompt", "completion") else "right")
    for row in rows[:count]:
        table.add_row(*(literal(value) if isinstance(value := row[name], str) else number(value) for name in names))
    return table


def shortened(text: str, length: int = 160) -> str:
    """The end of a long text, which is what an answer answers."""
    return text if len(text) <= length else "…" + text[-length:]


def literal(text: str) -> Text:
    """A long text's end, in which "[/INST]" is no markup of Rich's."""
    return Text(shortened(text))


def number(value: float | None) -> str:
    """With two digits; a dash for what could not be scored."""
    return "–" if value is None or value != value else f"{value:.2f}"


def draw(results: Results, path: Path) -> None:
    """The picture of a run as a file."""
    picture(results).savefig(path, dpi=150)


def picture(results: Results) -> "Figure":
    """figure-2 of the paper for this command's runs and, for a single run, its figures 4 and 5."""
    from matplotlib.figure import Figure

    single = len(results.curves) == 1 and len({row["seed"] for row in results.rows}) == 1
    panels = 1 + (2 if single and any("loss_share/imitation" in row for row in results.rows) else int(single))
    figure = Figure(figsize=(6.4 if panels > 1 else 7, 3.4 * panels if panels > 1 else 4.2), layout="constrained")
    first, *others = figure.subplots(panels, 1, squeeze=False)[:, 0]
    _draw_rewards(first, results, single)
    if others:
        _draw_loss(others[0], results.rows)
    if len(others) > 1:
        _draw_shares(others[1], results.rows)
    return figure


def _draw_rewards(axes: Any, results: Results, single: bool) -> None:
    for (name, curve), colour in zip(results.curves.items(), cycle(COLOURS), strict=False):
        scores = curve.scores.double()
        axes.plot(curve.steps, scores.mean(dim=1), label=name, color=colour)
        if scores.shape[1] > 1:
            band = (scores.quantile(0.1, dim=1), scores.quantile(0.9, dim=1))
            axes.fill_between(curve.steps, *band, color=colour, alpha=0.15, linewidth=0)
    if single and any("reward" in row for row in results.rows):
        steps, values = _series(results.rows, "reward")
        axes.plot(steps, values, color="0.7", linewidth=0.8, zorder=0, label="samples of each training step")
    axes.axhline(results.reference, color="grey", linestyle=":", label="references")
    runs = next(iter(results.curves.values())).scores.shape[1]
    axes.set(xlabel="step", ylabel="mean reward")
    values = [v for curve in results.curves.values() for v in curve.scores.flatten().tolist()]
    if min(values) >= 0 and max(values) <= 1:
        axes.set_ylim(0, 1.02)
    axes.set_title("1 run" if runs == 1 else f"mean and middle 80 % of {runs} runs")
    axes.legend(frameon=False, ncols=2, loc="best", fontsize="small")


def _draw_loss(axes: Any, rows: list[dict[str, Any]]) -> None:
    steps, values = _series(rows, "objective")
    axes.plot(steps, [-value for value in values], color=COLOURS[0])
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="step", ylabel="loss", title="loss (the objective's negative, figure 4)")


def _draw_shares(axes: Any, rows: list[dict[str, Any]]) -> None:
    for term, colour in zip(TERMS, COLOURS, strict=False):
        steps, values = _series(rows, f"loss_share/{term}")
        axes.plot(steps, [100 * value for value in values], label=term, color=colour, linewidth=1)
    axes.set(xlabel="step", ylabel="share of the loss, %", ylim=(0, 100), title="the three terms (figure 5)")
    axes.legend(frameon=False, ncols=3, loc="upper center", fontsize="small")


def _series(rows: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    pairs = [(row["step"], row[name]) for row in rows if name in row]
    return [step for step, _ in pairs], [value for _, value in pairs]
