"""Tokens coloured by the change of their probability: blue up, orange down, with the change below each as a number.

The numbers repeat what the colours show, for readers who can't distinguish them, and for screen readers.
"""

import html
from collections.abc import Sequence

from tutorials.style import present

UP, DOWN = (0, 114, 178), (230, 159, 0)  # style.BLUE, style.ORANGE
STRONGEST = 0.65  # at most this share of the colour, so that black letters are legible

Line = tuple[
    str, Sequence[str], Sequence[float]
]  # whose answer, its tokens, their changes


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
        f'<span style="display: inline-block; text-align: center; border: 1px solid #ccc; background: {colour(change, full)}">'
        f"{html.escape(token)}<br><small>{signed(change)}</small></span>"
        for token, change in zip(tokens, changes, strict=True)
    )


def show(
    blocks: Sequence[tuple[str, Sequence[Line]]],
    caption: str,
    *,
    full: float,
    alt: str,
) -> None:
    """Show answers below each other, in blocks with a heading (the prompt). `full`: the change with the full colour."""
    parts = []
    for heading, lines in blocks:
        rows = "".join(
            f"<div><em>{html.escape(name)}</em>{line(tokens, changes, full)}</div>"
            for name, tokens, changes in lines
        )
        parts.append(
            f'<div class="tokens"><strong>{html.escape(heading)}</strong>{rows}</div>'
        )
    present(
        f"<figure>{''.join(parts)}<figcaption>{html.escape(caption)}</figcaption></figure>",
        alt,
    )
