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
    """The last recorded run of the suite."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def totals(record: dict[str, Any]) -> dict[str, int]:
    """All faults together.

    >>> totals({"rows": [{"tried": 3, "kept": 2, "bad": 1}, {"tried": 1, "kept": 1, "bad": 0}]})
    {'tried': 4, 'kept': 3, 'bad': 1}
    """
    return {
        key: sum(row[key] for row in record["rows"]) for key in ("tried", "kept", "bad")
    }


def where(record: dict[str, Any]) -> str:
    """The machine, the versions, the seed and the day, in one line."""
    machine = record["machine"]
    versions = ", ".join(
        f"{name} {each}" for name, each in machine["versions"].items() if each
    )
    form = "short form" if record["short"] else "full form"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, kernel {record['kernel']}; {versions}; "
        f"{form}, seed {record['seed']}, {record['minutes']} minutes; {record['date']}"
    )


def table(record: dict[str, Any]) -> None:
    """Fault, times tried, times nothing was lost, and what was bad."""
    rows = []
    for row in record["rows"]:
        bad = [
            f"{count} {seen}"
            for seen, count in row["seen"].items()
            if seen not in ("exact", "said")
        ]
        exact = row["seen"].get("exact", 0)
        rows.append(
            [
                PARTS[row["part"]],
                row["fault"],
                *(str(row[key]) for key in ("tried", "kept")),
                str(exact),
            ]
            + [", ".join(bad)]
        )
    heading = ["part", "fault", "tried", "nothing lost", "of which exact", "bad"]
    style.table(heading, rows)


def numbers(record: dict[str, Any]) -> None:
    """What the soak measured."""
    for row in record["rows"]:
        for words in row["numbers"]:
            say(f"{row['fault']}: {words}")


def say(words: str) -> None:
    """A line of small letters, which wraps."""
    style.present(f"<p><small>{html.escape(words)}</small></p>", words)
