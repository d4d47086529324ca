"""The style of all pictures in the tutorials: sizes for a phone, colours that colour-blind readers can distinguish."""

import base64
import html
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's palette, and a dark red. A method, a term of eq-3 and an answer have the same colour, and the same line,
# in every tutorial. Blue is GRAO and what comes from its samples; green is the reference and what imitates it.
BLUE, ORANGE, GREEN, PINK, RED, SKY, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#777777",
)  # fmt: skip
METHODS = {
    "SFT": {"color": GREEN, "linestyle": (0, (1, 1))},
    "DPO": {"color": PINK, "linestyle": (0, (3, 1, 1, 1))},
    "REINFORCE": {"color": BLACK, "linestyle": (0, (1, 2))},
    "PPO": {"color": SKY, "linestyle": (0, (5, 1))},
    "GRPO": {"color": ORANGE, "linestyle": "--"},
    "GRAO": {"color": BLUE, "linestyle": "-"},
    "GRAO printed": {"color": RED, "linestyle": "-."},
}
WINE = "#882255"
# So has a term of eq-3, where the three are shown beside each other, and a kind of answer.
TERMS = {
    "exploration": {"color": BLUE, "linestyle": "-"},
    "imitation": {"color": GREEN, "linestyle": (0, (1, 1))},
    "alignment": {"color": WINE, "linestyle": (0, (4, 1.5))},
}
ANSWERS = {
    "best": {"color": BLACK, "linestyle": "-"},
    "reference": {"color": GREEN, "linestyle": "-"},
    "failing": {"color": GREY, "linestyle": "-"},
}
RECORDED = Path(__file__).parent / "recorded"  # results that are not computed again
CODE = re.compile(r"`([^`]+)`")
WIDTH = 5.0  # inches; on a phone of 360 pixels letters are a quarter smaller
STYLE: Any = {
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "lines.linewidth": 1.8,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PINK, RED, SKY, BLACK]),
}


def figure(rows: int = 1, *, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure of panels one above the other, `height` inches each, never side by side: a phone is narrow."""
    matplotlib.rcParams.update(STYLE)
    apart = ConstrainedLayoutEngine(
        h_pad=0.1
    )  # so that titles don't touch the ticks above
    drawn = Figure(figsize=(WIDTH, height * rows), layout=apart)
    return drawn, list(drawn.subplots(rows, 1, squeeze=False)[:, 0])


def diverging(low: str, high: str) -> LinearSegmentedColormap:
    """Light shades of one colour, through white, to another: for a map on which text is written."""
    return LinearSegmentedColormap.from_list(
        "map", [low + "B0", "#FFFFFF", high + "B0"]
    )


def show(drawn: Figure, caption: str, *, alt: str) -> None:
    """Put a figure with its caption into the notebook. `alt` describes it in words."""
    present(
        f"<figure>{image(drawn, alt)}<figcaption>{html.escape(caption)}</figcaption></figure>",
        alt,
    )


def image(drawn: Figure, alt: str, *, dpi: int = 200, hidden: bool = False) -> str:
    """The figure as an <img> with its data inside, in 64 colours, which are enough for line art."""
    from PIL import Image

    raw, small = BytesIO(), BytesIO()
    drawn.savefig(raw, format="png", dpi=dpi)
    Image.open(raw).convert("RGB").quantize(64).save(small, "PNG", optimize=True)
    data = base64.b64encode(small.getvalue()).decode()
    inches = drawn.get_size_inches()
    size = f'width="{inches[0] * 96:.0f}" height="{inches[1] * 96:.0f}"'
    mark = " hidden" if hidden else ""
    return f'<img{mark} {size} alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def table(heading: list[str], rows: Iterable[Iterable[str]]) -> None:
    """Show a table of words; what stands between `backticks` is code. A plain script prints it."""
    whole = [heading, *(list(row) for row in rows)]
    if get_ipython() is None:
        widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
        for row in whole:
            padded = (cell.ljust(n) for cell, n in zip(row, widths, strict=True))
            print("  ".join(padded).rstrip())

    def line(cells: Iterable[str], tag: str) -> str:
        words = (CODE.sub(r"<code>\1</code>", html.escape(cell)) for cell in cells)
        left = 'style="text-align: left"'
        return f"<tr>{''.join(f'<{tag} {left}>{each}</{tag}>' for each in words)}</tr>"

    body = "".join(line(row, "td") for row in whole[1:])
    head = f"<thead>{line(heading, 'th')}</thead>"
    present(f"<table>{head}<tbody>{body}</tbody></table>", ", ".join(heading))


def present(markup: str, words: str) -> None:
    """Show HTML in a notebook; do nothing if the tutorial is run as a plain script."""
    if get_ipython() is not None:
        display(HTML(markup), metadata={"alt": words})
