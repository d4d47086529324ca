"""Tokens coloured by the change of their probability: blue up, orange down, with the change below each as a number.

The numbers repeat what the colours show, for readers who can't distinguish them, and for screen readers. `steps` shows
the same answers after each of several steps of a run, with a slider.
"""

import html
from collections.abc import Mapping, Sequence
from hashlib import sha256

from tutorials.style import present

UP, DOWN = (0, 114, 178), (230, 159, 0)  # style.BLUE, style.ORANGE
STRONGEST = 0.65  # at most this share of the colour, so that black letters are legible

Line = tuple[
    str, Sequence[str], Sequence[float]
]  # whose answer, its tokens, their changes
Block = tuple[str, Sequence[Line]]  # a prompt, and answers to it
SCRIPT = """
(function () {
  const box = document.getElementById("ID");
  const range = box.querySelector("input"), frames = Array.from(box.querySelectorAll(".frame"));
  function show() {
    frames.forEach(function (frame, n) { frame.hidden = n !== Number(range.value); });
    const shown = frames[Number(range.value)];
    box.querySelector("output").textContent = shown.dataset.step;
    range.setAttribute("aria-valuetext", shown.querySelector("p").textContent);
  }
  range.addEventListener("input", show);
  box.querySelector(".controls").style.display = "";
  show();
})();
"""


def colour(change: float, full: float) -> str:
    """White at 0, blue above and orange below; `full` and larger changes have the strongest colour.

    >>> colour(0.0, 3.0), colour(9.0, 3.0), colour(-9.0, 3.0)
    ('#ffffff', '#59a3cd', '#efc159')
    """
    strength = STRONGEST * min(abs(change) / full, 1.0)
    hue = UP if change > 0 else DOWN
    return "#" + "".join(f"{round(255 + strength * (part - 255)):02x}" for part in hue)


def signed(change: float) -> str:
    """One decimal with its sign and a typographic minus; 0 if it rounds to 0.

    >>> signed(0.31), signed(-2.04), signed(-0.01)
    ('+0.3', '−2.0', '0')
    """
    rounded = round(change, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0"


def line(tokens: Sequence[str], changes: Sequence[float], full: float) -> str:
    """One answer as HTML. Raises `ValueError` if the numbers of tokens and changes differ."""
    return "".join(
        f'<span style="display: inline-block; text-align: center; border: 1px solid #ccc; color: #1c1c1c; background: {colour(change, full)}">'
        f"{html.escape(token)}<br><small>{signed(change)}</small></span>"
        for token, change in zip(tokens, changes, strict=True)
    )


def show(
    blocks: Sequence[Block],
    caption: str,
    *,
    full: float,
    alt: str,
) -> None:
    """Show answers below each other, in blocks with a heading (the prompt). `full`: the change with the full colour."""
    present(
        f"<figure>{_blocks(blocks, full)}<figcaption>{html.escape(caption)}</figcaption></figure>",
        alt,
    )


def steps(
    frames: Mapping[int, tuple[str, Sequence[Block]]],
    caption: str,
    *,
    full: float,
    alt: str,
) -> None:
    """`show` with a slider over the steps of a run. `frames`: step -> a sentence about it, and its blocks.

    The page starts at the last step, and without JavaScript shows this one alone.
    Raises `ValueError` if there are fewer than two steps.
    """
    present(slider(frames, caption, full=full), alt)


def slider(
    frames: Mapping[int, tuple[str, Sequence[Block]]], caption: str, *, full: float
) -> str:
    """The figure of `steps` as HTML."""
    if len(frames) < 2:
        raise ValueError(f"a slider needs at least two steps, got {list(frames)}")
    last = len(frames) - 1
    bodies = "".join(
        f'<div class="frame" data-step="{step}"{"" if n == last else " hidden"}><p>{html.escape(words)}</p>'
        f"{_blocks(blocks, full)}</div>"
        for n, (step, (words, blocks)) in enumerate(frames.items())
    )
    identity = "steps-" + sha256((caption + bodies).encode()).hexdigest()[:8]
    return (
        f'<figure class="steps" id="{identity}"><div class="controls" style="display: none"><label><span>step</span>'
        f'<input type="range" min="0" max="{last}" step="1" value="{last}"><output>{list(frames)[last]}</output></label>'
        f"</div>{bodies}<figcaption>{html.escape(caption)}</figcaption>"
        f"<script>{SCRIPT.replace('ID', identity)}</script></figure>"
    )


def _blocks(blocks: Sequence[Block], full: float) -> str:
    parts = []
    for heading, lines in blocks:
        rows = "".join(
            f"<div><em>{html.escape(name)}</em>{line(tokens, changes, full)}</div>"
            for name, tokens, changes in lines
        )
        parts.append(
            f'<div class="tokens"><strong>{html.escape(heading)}</strong>{rows}</div>'
        )
    return "".join(parts)
