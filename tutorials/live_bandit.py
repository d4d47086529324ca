"""A bandit that the reader trains on the page: four methods side by side, from the same random numbers, without a server.

This is the one place where formulas are written a second time, in `site/bandit.js`: a page can't run the package. The
tests compare the two to 1e-12. `site/live_bandit.js` draws, `site/live_bandit.css` styles.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from tutorials.sources import HERE
from tutorials.style import BLACK, METHODS, present

BAR = {"color": BLACK, "linestyle": (0, (6, 2))}  # it has no look in `METHODS`
NAMES = {  # as in bandit.js -> what the page calls it
    "GRAO": "GRAO repaired",
    "GRAO printed": "GRAO printed",
    "GRPO": "GRPO",
    "bar": "reference as bar",
}
DASHES: dict[Any, Sequence[float]] = {"-": (), "--": (4, 2), "-.": (6, 2, 1, 2)}
# Name, sign, lowest, highest, step, value at the start.
RANGES = (
    ("group size", "G", 2, 32, 1, 8),
    ("imitation", "β", 0, 1, 0.05, 0.5),
    ("alignment", "λ", 0, 2, 0.1, 0.6),
    ("learning rate", "rate", 0.05, 2, 0.05, 0.2),
)
BUTTONS = (
    ("sample", "sample a group"),
    ("step", "step"),
    ("run", "run 50"),
    ("reset", "start again"),
)
ALT = (
    "A bandit to train on the page: samples, advantages, weights and probabilities of four methods, and their expected "
    "reward by step."
)


@dataclass(frozen=True)
class Answer:
    """A row of the bandit: `copies` answers with the same reward and, together, the probability `start`."""

    name: str
    reward: float
    start: float
    copies: int = 1


PRESETS = {  # the first answer is the best, the second the reference
    "eight failing answers": (
        Answer("best", 1, 0.1),
        Answer("reference y", 0.7, 0.1),
        Answer("failing (8)", 0, 0.8, 8),
    ),
    "rare best answer": (
        Answer("best", 1, 0.02),
        Answer("reference y", 0.7, 0.1),
        Answer("middling", 0.4, 0.38),
        Answer("failing", 0, 0.5),
    ),
    "likely reference": (
        Answer("best", 1, 0.05),
        Answer("reference y", 0.7, 0.75),
        Answer("failing", 0, 0.2),
    ),
}


def live_bandit(preset: str = "eight failing answers", seed: int = 1) -> None:
    """Show it, at the start of a preset. Raises `KeyError` if there is no such preset."""
    present(markup(preset, seed), ALT)


def markup(preset: str, seed: int) -> str:
    """The figure with its style and its script inside, which asks for nothing else."""
    setup = {
        "presets": {
            name: [asdict(each) for each in rows] for name, rows in PRESETS.items()
        },
        "start": {"preset": preset, "answers": [asdict(a) for a in PRESETS[preset]]},
        "methods": [
            {"key": key, "name": name, **_look(METHODS.get(key, BAR))}
            for key, name in NAMES.items()
        ],
    }
    identity = "bandit-" + sha256(f"{preset} {seed}".encode()).hexdigest()[:8]
    data = json.dumps(setup, ensure_ascii=False).replace("</", "<\\/")
    scripts = "\n".join(_site(name) for name in ("bandit.js", "live_bandit.js"))
    run = (
        f"liveBandit(document.getElementById({json.dumps(identity)}), bandit, {data});"
    )
    return (
        f'<figure class="bandit" id="{identity}"><style>{_site("live_bandit.css")}</style>'
        "<noscript><p>This figure needs JavaScript.</p></noscript>"
        f'<div class="settings">{_settings(preset, seed)}</div>'
        "<details><summary>change the rewards and the start</summary>"
        '<div class="answers"></div></details>'
        f'{_chart()}<div class="methods"></div>'
        f'<div class="bar"><div class="buttons">{_buttons()}<a>link to this state</a></div>'
        '<p class="said" role="status" aria-live="polite"></p></div>'
        f"<figcaption>{html.escape(CAPTION)}</figcaption>"
        f'<script>(function () {{\n"use strict";\n{scripts}\n{run}\n}})();</script></figure>'
    )


CAPTION = (
    "Each method has its own policy. All draw their samples from the same random numbers, so they differ only where their "
    "probabilities do. A dashed sample is the reference's answer. Count: samples of an answer in the group. Â: the advantage "
    "(eq-4). Weight: the sum of the weights of these samples, and for y also that of the reference itself (thm-1). A step "
    "adds the learning rate times the gradient to the logits. The dotted line is the reference's reward. One seed is one "
    "run, so try several before you compare methods. A change of a setting starts again; the link repeats what you see."
)


def _site(name: str) -> str:
    return (HERE / "site" / name).read_text()


def _look(look: Any) -> dict[str, str]:
    """Colour and dashes of a line; black is the colour of letters, so that it is visible on a dark page."""
    line = look["linestyle"]
    dashes = DASHES[line] if isinstance(line, str) else line[1]
    colour = "currentColor" if look["color"] == BLACK else look["color"]
    return {"colour": colour, "dashes": " ".join(f"{2 * each:g}" for each in dashes)}


def _settings(preset: str, seed: int) -> str:
    options = "".join(
        f"<option{' selected' if name == preset else ''}>{html.escape(name)}</option>"
        for name in PRESETS
    )
    ranges = "".join(
        f'<label><span>{name}{"" if sign == "rate" else f", {sign}"}</span><input type="range" name="{sign}" '
        f'min="{low:g}" max="{high:g}" step="{by:g}" value="{value:g}"><output>{value:g}</output></label>'
        for name, sign, low, high, by, value in RANGES
    )
    return (
        f'<label><span>preset</span><select name="preset">{options}</select></label>{ranges}'
        f'<label><span>seed</span><input type="number" name="seed" min="0" max="4294967295" step="1" value="{seed}">'
        "</label>"
    )


def _buttons() -> str:
    return "".join(
        f'<button type="button" name="{name}">{words}</button>'
        for name, words in BUTTONS
    )


def _chart() -> str:
    return (
        '<div class="chart"><p>expected reward V</p><div class="plot"><svg viewBox="0 0 100 100" role="img" '
        'preserveAspectRatio="none"></svg></div><p class="axis"><span>0</span><span>step</span><span class="last"></span>'
        '</p><ul class="legend"></ul></div>'
    )
