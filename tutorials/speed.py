"""Tables and pictures of `make bench`: what the page *Speed* shows of tutorials/recorded/bench.json."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, NullLocator

from tutorials import style

RECORD = Path(__file__).parent / "recorded" / "bench.json"
NAMES = {
    "grao": "GRAO",
    "grpo": "GRPO",
    "floor": "bare GRAO",
    "floor-grpo": "bare GRPO",
    "trl": "TRL, fastest",
    "trl-defaults": "TRL, defaults",
}
PARTS = {
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
TITLES = {"step/tiny": "the embedded model", "step/smollm2": "SmolLM2-135M"}
GROWTH = {
    "group": ("group", "samples of a prompt, G"),
    "prompt": ("prompt_length", "tokens of a prompt"),
    "completion": ("length", "tokens of an answer"),
    "vocabulary": ("model", "words in the vocabulary"),
}


def recorded(path: Path = RECORD) -> dict[str, Any]:
    """Every scenario that was measured, by its name."""
    found: dict[str, Any] = json.loads(path.read_text())["scenarios"]
    return found


def where(scenario: dict[str, Any]) -> str:
    """The machine, the versions and the day of a scenario, in one line."""
    machine = scenario["machine"]
    device = machine["gpu"] or f"{machine['cpu']} ({', '.join(machine['flags'])})"
    versions = ", ".join(
        f"{name} {each}" for name, each in machine["versions"].items() if each
    )
    return f"{device}, {machine['cores']} cores, {machine['memory_gib']:.0f} GiB; {versions}; {scenario['date']}"


def size(workload: dict[str, Any]) -> str:
    """What a step does: 2 prompts × 48 tokens, 8 answers to each × 64 tokens, float32, 2 threads."""
    answers = f"{workload['group']} answers to each × {workload['length']} tokens"
    if workload["ragged"]:
        answers += " at most, a third of it in the mean"
    number = "bfloat16 autocast" if workload["bf16"] else "float32"
    threads = (
        ""
        if workload["device"] == "cuda"
        else f", {workload['threads']} thread{'s' * (workload['threads'] > 1)}"
    )
    return f"{workload['prompts']} prompts × {workload['prompt_length']} tokens, {answers}, {number}{threads}"


def steps(scenarios: dict[str, Any], name: str) -> None:
    """Tables of a scenario: seconds, rate and memory of each side; its parts; the ratios."""
    if name not in scenarios:
        say(f"{name} has not been measured yet: make bench ARGS='--only {name}'")
        return
    for point in scenarios[name]["points"]:
        say(f"{size(point['workload'])}.")
        sides = point["sides"]
        heading = ["side", "seconds [quartiles]", "tokens/s", "peak MiB", "at start"]
        style.table(
            heading, [_row(NAMES[side], found) for side, found in sides.items()]
        )
        good = {side: found for side, found in sides.items() if "failed" not in found}
        spent = [
            [NAMES[side], *(f"{found['parts'][part]:.2g}" for part in PARTS)]
            for side, found in good.items()
        ]
        style.table(["seconds", *PARTS], spent)
        rows = [_ratio(pair, found) for pair, found in point["ratios"].items()]
        style.table(["ratio", "time [least, most]", "rounds", "peak"], rows)


def say(words: str) -> None:
    """A line of small letters, which wraps."""
    style.present(f"<p><small>{html.escape(words)}</small></p>", words)


def _row(name: str, found: dict[str, Any]) -> list[str]:
    if "failed" in found:
        return [name, f"failed: {found['failed'][:80]}", "", "", ""]
    seconds = found["seconds"]
    spread = _tight(
        f"{seconds['median']:.3g} [{seconds['q1']:.3g}, {seconds['q3']:.3g}]"
    )
    memory = [_mib(found.get(key)) for key in ("peak_mib", "loaded_mib")]
    return [name, spread, f"{found['tokens_per_second']:.0f}", *memory]


def _ratio(pair: str, found: dict[str, Any]) -> list[str]:
    ours, _, theirs = pair.partition("/")
    time, memory = found["time"], found["memory"]
    spread = _tight(f"{time['median']:.2f} [{time['min']:.2f}, {time['max']:.2f}]")
    both = f"{NAMES[ours]} / {NAMES[theirs]}"
    return [both, spread, str(time["n"]), "" if memory is None else f"{memory:.2f}"]


def _tight(words: str) -> str:
    return words.replace(" ", "\u00a0")


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


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
        for part, color in PARTS.items():
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
            at = [_number(point["workload"][field]) for point in kept]
            seconds = [point["sides"][side]["seconds"] for point in kept]
            panel.plot(
                at, [each["median"] for each in seconds], label=NAMES[side], **line
            )
            low, high = ([each[key] for each in seconds] for key in ("q1", "q3"))
            panel.fill_between(
                at, low, high, color=line["color"], alpha=0.15, linewidth=0
            )
        ticks = [_number(point["workload"][field]) for point in points]
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


def growth_table(scenarios: dict[str, Any]) -> None:
    """GRAO's time and memory as a share of TRL's, at every point."""
    rows = []
    for name, (field, words) in GROWTH.items():
        for point in scenarios.get(f"growth/{name}", {"points": []})["points"]:
            found = {
                pair: _ratio(pair, ratio) for pair, ratio in point["ratios"].items()
            }
            trl, floor = found.get("grao/trl"), found.get("grao/floor")
            where = f"{words}: {_number(point['workload'][field]):,}"
            rows.append(
                [
                    where,
                    *(trl[1::2] if trl else ["", ""]),
                    *(floor[1::2] if floor else ["", ""]),
                ]
            )
    if rows:
        both = ["GRAO / TRL, time", "peak", "GRAO / bare, time", "peak"]
        style.table(["", *both], rows)


def _number(value: str | int) -> int:
    return int(value.removeprefix("random-")) if isinstance(value, str) else value
