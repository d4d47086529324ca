"""Sliders without a server: every combination is drawn when the tutorial is built, and the page shows one of them.

So the package computes the numbers in Python, and no formula is written a second time in JavaScript.
"""

import html
import itertools
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import prod

from matplotlib.figure import Figure

from tutorials.style import image, present

LIMIT = 250  # pictures in one page
SCRIPT = """
(function () {
  const box = document.getElementById("ID");
  const ranges = Array.from(box.querySelectorAll("input"));
  const frames = Array.from(box.querySelectorAll("img"));
  function show() {
    let index = 0;
    for (const range of ranges) {
      index = index * (Number(range.max) + 1) + Number(range.value);
      const value = JSON.parse(range.dataset.values)[Number(range.value)];
      range.nextElementSibling.textContent = value;
      range.setAttribute("aria-valuetext", value);
    }
    frames.forEach(function (frame, i) { frame.hidden = i !== index; });
  }
  ranges.forEach(function (range) { range.addEventListener("input", show); });
  show();
})();
"""


def sliders(
    draw: Callable[..., Figure],
    values: dict[str, Sequence[float]],
    start: dict[str, float],
    caption: str,
    *,
    alt: str,
) -> None:
    """Show `draw(**one value of each)` with a slider for each name; the page starts at `start`.

    Raises `ValueError` if `start` is none of the combinations, or if there are too many of them.
    """
    count = prod(len(each) for each in values.values())
    if count > LIMIT:
        raise ValueError(
            f"{count} combinations are too many pictures for a page; {LIMIT} are the limit"
        )
    combinations = [
        dict(zip(values, each, strict=True))
        for each in itertools.product(*values.values())
    ]
    if start not in combinations:
        raise ValueError(f"start {start} is none of the combinations of {dict(values)}")
    frames = []
    for each in combinations:
        words = ", ".join(f"{name} = {value:g}" for name, value in each.items())
        frames.append(
            image(draw(**each), f"{alt} ({words})", dpi=130, hidden=each != start)
        )
    identity = "sliders-" + sha256("".join([caption, *frames]).encode()).hexdigest()[:8]
    controls = "".join(
        _control(name, each, start[name]) for name, each in values.items()
    )
    present(
        f'<figure class="sliders" id="{identity}"><div class="controls">{controls}</div>{"".join(frames)}'
        f"<figcaption>{html.escape(caption)}</figcaption><script>{SCRIPT.replace('ID', identity)}</script></figure>",
        alt,
    )


def _control(name: str, values: Sequence[float], start: float) -> str:
    labels = "[" + ", ".join(f'"{value:g}"' for value in values) + "]"
    return (
        f'<label><span>{html.escape(name)}</span><input type="range" min="0" max="{len(values) - 1}" step="1" '
        f'value="{list(values).index(start)}" data-values="{html.escape(labels)}"><output>{start:g}</output></label>'
    )
