"""One style for every picture of the ledger; nothing is drawn if the run has no folder for figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
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
SMALLEST = 9  # points: what a phone still shows legibly


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
    _explain(drawn, legend, 2 * columns)
    run.figures.mkdir(parents=True, exist_ok=True)
    drawn.savefig(run.figures / f"{name}.png", dpi=100, metadata={"Software": None})


def _explain(drawn: Any, place: str, columns: int) -> None:
    """A legend in each panel that has labels; `below`: the first one's under the panels, where data leave no room."""
    for each in drawn.axes:
        handles, labels = each.get_legend_handles_labels()
        if handles and place == "below":
            drawn.set_figheight(drawn.get_figheight() + 0.2 * ceil(len(handles) / columns))
            outside = {"loc": "outside lower center", "ncols": columns, "columnspacing": 1.0}
            drawn.legend(handles, labels, frameon=False, fontsize=SMALLEST, **outside)
            return
        if handles:
            each.legend(frameon=False, fontsize=SMALLEST, loc=place)
