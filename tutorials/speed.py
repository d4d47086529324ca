"""Tables of what `make bench` measured (tutorials/recorded/bench.json), for the page *Speed*."""

import html
import json
from pathlib import Path
from typing import Any

from tutorials import style

RECORD = Path(__file__).parent / "recorded" / "bench.json"
AMD = RECORD.with_name("bench_amd.json")
PRODUCTS = RECORD.with_name("bench_products.json")
LABORATORY = RECORD.with_name("bench_laboratory.json")
NAMES = {
    "grao": "GRAO",
    "grpo": "GRPO",
    "paged": "GRAO, paged sampler",
    "floor": "bare GRAO",
    "floor-grpo": "bare GRPO",
    "trl": "TRL, fastest",
    "trl-defaults": "TRL, defaults",
    "trl-products": "TRL, our products",
}
PARTS = ("generation", "forward", "backward", "optimizer", "rest")
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
        style.table(["ratio", "time [least, most]", "CPU", "peak"], rows)


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
    cpu = f"{found['cpu']['median']:.2f}"
    return [both, spread, cpu, "" if memory is None else f"{memory:.2f}"]


def _tight(words: str) -> str:
    return words.replace(" ", "\u00a0")


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def growth_table(scenarios: dict[str, Any]) -> None:
    """GRAO's time and memory as a share of TRL's, at every point."""
    rows = []
    for name, (field, words) in GROWTH.items():
        for point in scenarios.get(f"growth/{name}", {"points": []})["points"]:
            found = {
                pair: _ratio(pair, ratio) for pair, ratio in point["ratios"].items()
            }
            trl, floor = found.get("grao/trl"), found.get("grao/floor")
            where = f"{words}: {number(point['workload'][field]):,}"
            rows.append(
                [
                    where,
                    *(trl[1:] if trl else [""] * 3),
                    *(floor[1:] if floor else [""] * 3),
                ]
            )
    if rows:
        both = ["GRAO / TRL, time", "CPU", "peak", "GRAO / bare, time", "CPU", "peak"]
        style.table(["", *both], rows)


def number(value: str | int) -> int:
    """A size; of a random model, its vocabulary."""
    return int(value.removeprefix("random-")) if isinstance(value, str) else value


def laboratory(path: Path = LABORATORY) -> None:
    """Tables of what the exact field and a step of a table cost, by their sizes."""
    record = json.loads(path.read_text())
    ways = ("by counts", "in a batch", "in a loop")
    fields = [
        [
            *(f"{each[key]}" for key in ("K", "G", "levels", "terms")),
            f"{each['groups']:.3g}",
        ]
        + [f"{each['ms'][way]:,.3g}" if way in each["ms"] else "" for way in ways]
        for each in record["fields"]
    ]
    sizes = ["K", "G", "rewards that differ", "counts", "groups, K^G"]
    style.table([*sizes, *(f"{way}, ms" for way in ways)], fields)
    steps_of = [
        [f"{each['N']:,}", str(each["K"]), str(each["G"]), f"{each['ms']:.3g}"]
        for each in record["steps"]
    ]
    style.table(["seeds", "K", "G", "ms a step"], steps_of)


def products(path: Path = PRODUCTS) -> None:
    """A table of the linear layers' time by torch's own product and by oneDNN's, and the machine."""
    record = json.loads(path.read_text())
    say(where(record))
    rows = []
    for each in record["rows"]:
        cells = [f"{each['rows']:,}"]
        for way in ("forward", "backward"):
            own, other = each["ms"][f"{way}, torch's"], each["ms"][f"{way}, oneDNN's"]
            cells += [_ms(own), _ms(other), f"{other / own:.2f}"]
        rows.append(cells)
    ways = [
        f"{way}, {what}"
        for way in ("forward", "backward")
        for what in ("MKL, ms", "oneDNN, ms", "ratio")
    ]
    style.table(["rows", *ways], rows)
