"""The picture of a run."""

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grao_ref.runs.results import MEASURES, Curve, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito: colour-blind safe
TERMS = ("exploration", "imitation", "alignment")


def draw(results: Results, path: Path) -> None:
    """The picture of a run as a file."""
    picture(results).savefig(path, dpi=150)


def picture(results: Results) -> "Figure":
    """figure-2 of the paper for this command's runs and, for a single run, its figures 4 and 5.

    Without a reward: a panel for each measure of the held-out rows that has a name of ours, and the loss.
    """
    from matplotlib.figure import Figure

    if not results.scored:
        return _unscored(results)
    single = len(results.curves) == 1 and len({row["seed"] for row in results.rows}) == 1
    panels = 1 + (2 if single and any("objective_share/imitation" in row for row in results.rows) else int(single))
    figure = Figure(figsize=(6.4 if panels > 1 else 7, 3.4 * panels if panels > 1 else 4.2), layout="constrained")
    first, *others = figure.subplots(panels, 1, squeeze=False)[:, 0]
    _draw_rewards(first, results, single)
    if others:
        _draw_loss(others[0], results.rows)
    if len(others) > 1:
        _draw_shares(others[1], results.rows)
    return figure


def _unscored(results: Results) -> "Figure":
    from matplotlib.figure import Figure

    measures = {words: curve for words, curve in results.measures().items() if words in MEASURES.values()}
    loss = measures.pop(MEASURES["eval_loss"], None)
    figure = Figure(figsize=(6.4, 2.8 * (len(measures) + 1)), layout="constrained")
    *panels, last = figure.subplots(len(measures) + 1, 1, squeeze=False)[:, 0]
    for axes, (words, curve), colour in zip(panels, measures.items(), cycle(COLOURS), strict=False):
        _draw_curve(axes, words, curve, colour)
        axes.set(xlabel="step", title=f"held-out rows: {words}")
        if words == MEASURES["eval_rewards/accuracies"]:
            axes.set_ylim(0, 1.02)
    if len({row["seed"] for row in results.rows}) == 1:
        _draw_loss(last, results.rows, label="each training step")
    if loss is not None:
        _draw_curve(last, "held-out rows", loss, COLOURS[1])
        last.set(xlabel="step", ylabel="loss", title="loss (the objective's negative)")
        last.legend(frameon=False, fontsize="small")
    return figure


def _draw_curve(axes: Any, name: str, curve: Curve, colour: str) -> None:
    """The mean over the runs, and a band that holds the middle 80 % of them."""
    scores = curve.scores.double()
    axes.plot(curve.steps, scores.mean(dim=1), label=name, color=colour)
    if scores.shape[1] > 1:
        band = (scores.quantile(0.1, dim=1), scores.quantile(0.9, dim=1))
        axes.fill_between(curve.steps, *band, color=colour, alpha=0.15, linewidth=0)


def _draw_rewards(axes: Any, results: Results, single: bool) -> None:
    for (name, curve), colour in zip(results.curves.items(), cycle(COLOURS), strict=False):
        _draw_curve(axes, name, curve, colour)
    if single and any("reward" in row for row in results.rows):
        steps, values = _series(results.rows, "reward")
        axes.plot(steps, values, color="0.7", linewidth=0.8, zorder=0, label="samples of each training step")
    if results.reference is not None:
        axes.axhline(results.reference, color="grey", linestyle=":", label="references")
    runs = next(iter(results.curves.values())).scores.shape[1]
    axes.set(xlabel="step", ylabel="mean reward")
    values = [v for curve in results.curves.values() for v in curve.scores.flatten().tolist()]
    if min(values) >= 0 and max(values) <= 1:
        axes.set_ylim(0, 1.02)
    axes.set_title("1 run" if runs == 1 else f"mean and middle 80 % of {runs} runs")
    axes.legend(frameon=False, ncols=2, loc="best", fontsize="small")


def _draw_loss(axes: Any, rows: list[dict[str, Any]], label: str | None = None) -> None:
    axes.plot(*_series(rows, "loss"), color=COLOURS[0], label=label)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="step", ylabel="loss", title="loss (the objective's negative, figure 4)")


def _draw_shares(axes: Any, rows: list[dict[str, Any]]) -> None:
    for term, colour in zip(TERMS, COLOURS, strict=False):
        steps, values = _series(rows, f"objective_share/{term}")
        axes.plot(steps, [100 * value for value in values], label=term, color=colour, linewidth=1)
    axes.set(xlabel="step", ylabel="share of the loss, %", ylim=(0, 100), title="the three terms (figure 5)")
    axes.legend(frameon=False, ncols=3, loc="upper center", fontsize="small")


def _series(rows: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    pairs = [(row["step"], row[name]) for row in rows if name in row]
    return [step for step, _ in pairs], [value for _, value in pairs]
