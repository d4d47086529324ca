"""Tables of what `make faults` saw (tutorials/recorded/faults.json), for the page *What it survives*."""

import html
import json
from pathlib import Path
from typing import Any

from tutorials import style

RECORD = Path(__file__).parent / "recorded" / "faults.json"
PARTS = {
    "kills": "killed, then gone on",
    "damages": "a checkpoint or its run's files damaged",
    "signals": "signals, pipes and terminals",
    "disk": "disks and folders",
    "locks": "two runs, one folder",
    "rewards": "reward functions",
    "judges": "judge servers",
    "flags": "flags",
    "data": "data files",
    "methods": "methods and models, killed",
    "soak": "many steps, many runs",
}


def recorded(path: Path = RECORD) -> dict[str, Any]:
    """The last recorded run of each part, in the order of `PARTS`."""
    found: dict[str, Any] = json.loads(path.read_text())["parts"]
    return {part: found[part] for part in PARTS if part in found}


def totals(record: dict[str, Any]) -> dict[str, int]:
    """All faults together.

    >>> rows = [{"tried": 3, "kept": 2, "bad": 1}, {"tried": 1, "kept": 1, "bad": 0}]
    >>> totals({"kills": {"rows": rows}, "disk": {"rows": rows}})
    {'tried': 8, 'kept': 6, 'bad': 2}
    """
    rows = [row for part in record.values() for row in part["rows"]]
    return {key: sum(row[key] for row in rows) for key in ("tried", "kept", "bad")}


def where(record: dict[str, Any]) -> None:
    """The machine and the versions, once; the seed, the form, the minutes and the day of each part."""
    for words in dict.fromkeys(_machine(part["machine"]) for part in record.values()):
        say(words)
    parts = [
        f"{name} (seed {part['seed']}{', short form' * part['short']}, {part['minutes']:g} min, {part['date']})"
        for name, part in record.items()
    ]
    say(", ".join(parts))


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {each}" for name, each in machine["versions"].items() if each
    )
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, kernel {machine['kernel']}; {versions}"


def table(record: dict[str, Any]) -> None:
    """Fault, times tried, times nothing was lost, and what was bad."""
    rows = []
    for name, part in record.items():
        for row in part["rows"]:
            seen = row["seen"]
            bad = [
                f"{count} {each}"
                for each, count in seen.items()
                if each not in ("exact", "said")
            ]
            counts = [row["tried"], row["kept"], seen.get("exact", 0)]
            rows.append([PARTS[name], row["fault"], *map(str, counts), ", ".join(bad)])
    heading = ["part", "fault", "tried", "nothing lost", "of which exact", "bad"]
    style.table(heading, rows)


def numbers(record: dict[str, Any]) -> None:
    """What the soak measured."""
    for row in record.get("soak", {"rows": []})["rows"]:
        for words in row["numbers"]:
            say(f"{row['fault']}: {words}")


def say(words: str) -> None:
    """A line of small letters, which wraps."""
    style.present(f"<p><small>{html.escape(words)}</small></p>", words)
