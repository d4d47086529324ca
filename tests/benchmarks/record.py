"""The record, `tutorials/recorded/bench.json`: what was measured of each scenario, where and when."""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from tests.benchmarks.workload import Scenario

RECORD = Path(__file__).parents[2] / "tutorials" / "recorded" / "bench.json"


def read(path: Path) -> dict[str, Any]:
    """The record so far; an empty one if there is none."""
    return json.loads(path.read_text()) if path.exists() else {"scenarios": {}}


def merge(path: Path, scenario: Scenario, points: list[dict[str, Any]], machine: dict[str, Any]) -> None:
    """Put a scenario's points into the record, in place of older ones; other scenarios stay as they are."""
    record = read(path)
    record["scenarios"][scenario.name] = {
        "date": date.today().isoformat(),
        "machine": machine,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,  # what ran beside it
        "warmup": scenario.warmup,
        "points": [_rounded(point) for point in points],
    }
    record["scenarios"] = dict(sorted(record["scenarios"].items()))
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    unfinished.replace(path)


def _rounded(value: Any) -> Any:
    """Four significant digits, which is more than is repeatable."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
