"""The suite's table: fault, times tried, times nothing was lost, bad; on the terminal, and recorded for the docs."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import describe
from tests.faults.outcomes import GOOD, SKIPPED, Trial

RECORD = Path(__file__).parents[2] / "tutorials" / "recorded" / "faults.json"
Found = Mapping[str, Sequence[Trial]]  # by part


def rows(found: Found) -> list[dict[str, Any]]:
    """One for each fault of each part."""
    made = []
    for part, trials in found.items():
        for fault in dict.fromkeys(trial.fault for trial in trials):
            seen = [trial.seen for trial in trials if trial.fault == fault]
            counts = {each: seen.count(each) for each in dict.fromkeys(seen)}
            tried = len(seen) - counts.get(SKIPPED, 0)
            kept = sum(counts.get(each, 0) for each in GOOD)
            details = [t.details for t in trials if t.fault == fault and (t.bad or t.seen == SKIPPED)]
            numbers = [t.details for t in trials if t.fault == fault and part == "soak" and not t.bad]
            row = {"part": part, "fault": fault, "tried": tried, "kept": kept, "bad": tried - kept, "seen": counts}
            made.append(row | {"details": details[:3], "numbers": numbers[:1]})
    return made


def show(found: Found, console: Console) -> None:
    """Print the table, and what was bad."""
    table = Table("part", "fault", "tried", "nothing lost", "bad")
    made = rows(found)
    for row in made:
        bad = ", ".join(f"{count} {seen}" for seen, count in row["seen"].items() if seen not in GOOD)
        table.add_row(row["part"], row["fault"], str(row["tried"]), str(row["kept"]), bad)
    console.print(table)
    for row in made:
        for detail in row["details"]:
            console.print(f"{row['part']}, {row['fault']}: {detail}", soft_wrap=True, markup=False, highlight=False)
    tried, bad = (sum(row[key] for row in made) for key in ("tried", "bad"))
    console.print(f"tried {tried}, nothing lost {tried - bad}, bad {bad}", highlight=False)


def record(
    found: Found, *, seed: int, short: bool, minutes: float, seconds: Mapping[str, float], path: Path = RECORD
) -> None:
    """Write the rows of these parts, each with the machine, the seed and the versions; other parts' rows stay."""
    machine = describe() | {"kernel": platform.release()}
    parts = json.loads(path.read_text())["parts"] if path.exists() else {}
    for part, trials in found.items():
        about: dict[str, Any] = {"seed": seed, "short": short, "minutes": round(seconds[part] / 60, 1)}
        about |= {"soak": minutes} if part == "soak" else {}
        parts[part] = about | {"date": date.today().isoformat(), "machine": machine, "rows": rows({part: trials})}
    path.write_text(json.dumps({"parts": parts}, indent=1, ensure_ascii=False) + "\n")
