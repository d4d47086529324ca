"""One style for every picture of the ledger; nothing is drawn if the run has no folder for figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from theory.ledger import Run

COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#000000",
    "#7F7F7F",
)  # Okabe and Ito, and a grey


@contextmanager
def figure(run: Run, name: str, *, columns: int = 1, rows: int = 1, legend: str = "best") -> Iterator[Any]:
    """Axes, one or an array of them, saved as `name`.png on leaving; None where nothing is to be drawn."""
    if run.figures is None:
        yield None
        return
    from cycler import cycler
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(0.6 + 4.4 * columns, 0.4 + 3.3 * rows), layout="constrained")
    axes = drawn.subplots(rows, columns)
    for each in axes.flat if rows * columns > 1 else [axes]:
        each.set_prop_cycle(cycler(color=COLOURS))
        each.spines[["top", "right"]].set_visible(False)
    yield axes
    for each in axes.flat if rows * columns > 1 else [axes]:
        if each.get_legend_handles_labels()[0]:
            each.legend(frameon=False, fontsize=7, loc=legend)
    run.figures.mkdir(parents=True, exist_ok=True)
    drawn.savefig(run.figures / f"{name}.png", dpi=100, metadata={"Software": None})
