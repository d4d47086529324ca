"""Pictures of what `make bench` measured, for the page *Speed*."""

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, NullLocator

from tutorials import style
from tutorials.speed import GROWTH, NAMES, number, say

COLORS = {
    "generation": style.BLUE,
    "forward": style.ORANGE,
    "backward": style.GREEN,
    "optimizer": style.PINK,
    "rest": style.GREY,
}
LINES: dict[str, Any] = {
    "grao": {"color": style.BLUE, "marker": "o"},
    "floor": {"color": style.GREY, "marker": "s", "linestyle": ":"},
    "trl": {"color": style.RED, "marker": "^", "linestyle": "--"},
}
TITLES = {
    "step/tiny": "the embedded model",
    "step/smollm2": "SmolLM2-135M",
    "step/smollm2-grpo": "SmolLM2-135M, GRPO",
}


def parts(scenarios: dict[str, Any], names: Sequence[str]) -> None:
    """A picture of where a step's seconds go: a bar for each side, a panel for each scenario that was measured."""
    shown = [name for name in names if name in scenarios]
    if not shown:
        return
    drawn, panels = style.figure(len(shown), height=2.9)
    for panel, name in zip(panels, shown, strict=True):
        every = scenarios[name]["points"][0]["sides"]
        sides = {
            side: found
            for side, found in reversed(every.items())
            if "failed" not in found
        }
        ends = [0.0] * len(sides)
        for part, color in COLORS.items():
            widths = [max(0.0, found["parts"][part]) for found in sides.values()]
            panel.barh(
                [NAMES[side] for side in sides],
                widths,
                left=ends,
                color=color,
                label=part,
            )
            ends = [end + width for end, width in zip(ends, widths, strict=True)]
        panel.set_title(TITLES.get(name, name))
        panel.set_xlabel("seconds of a step")
        panel.grid(axis="y", visible=False)
    drawn.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3
    )
    named = ", ".join(TITLES.get(name, name) for name in shown)
    alt = f"Bars: seconds of a step by part, for each side: {named}"
    style.show(drawn, "Where the seconds of a step go (medians).", alt=alt)


def growth(scenarios: dict[str, Any]) -> None:
    """A picture of seconds, a panel for each quantity that grows; the bands are the quartiles."""
    shown = [name for name in GROWTH if f"growth/{name}" in scenarios]
    if not shown:
        say("growth has not been measured yet: make bench ARGS='--only growth'")
        return
    drawn, panels = style.figure(len(shown), height=2.9)
    for panel, name in zip(panels, shown, strict=True):
        points = scenarios[f"growth/{name}"]["points"]
        field, words = GROWTH[name]
        for side, line in LINES.items():
            kept = [
                point for point in points if "seconds" in point["sides"].get(side, {})
            ]
            at = [number(point["workload"][field]) for point in kept]
            seconds = [point["sides"][side]["seconds"] for point in kept]
            panel.plot(
                at, [each["median"] for each in seconds], label=NAMES[side], **line
            )
            low, high = ([each[key] for each in seconds] for key in ("q1", "q3"))
            panel.fill_between(
                at, low, high, color=line["color"], alpha=0.15, linewidth=0
            )
        ticks = [number(point["workload"][field]) for point in points]
        panel.set_xscale("log", base=2)
        panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_yscale("log")
        for axis in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
            axis(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.set_xlabel(words)
        panel.set_ylabel("seconds of a step")
    handles = panels[0].get_legend_handles_labels()
    drawn.legend(*handles, loc="outside lower center", ncols=3)
    alt = f"Lines: seconds of a step of three sides as these grow: {', '.join(GROWTH[name][1] for name in shown)}"
    style.show(
        drawn,
        "Seconds of a step; both axes are logarithmic. Bands: quartiles.",
        alt=alt,
    )
