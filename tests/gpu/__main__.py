"""Everything that a GPU is wanted for, in one command: `make gpu`. It writes tutorials/recorded/gpu.json.

A part that fails is recorded with its error, and the others go on. Without a GPU each part is skipped with a line, and
nothing is written.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from tests.benchmarks.__main__ import describe
from tests.gpu.parts import PARTS, Sizes

RECORD = Path(__file__).parents[2] / "tutorials" / "recorded" / "gpu.json"
NEEDS_SMOLLM2 = ("training", "benchmark")
BUDGET, LEAST = 480.0, 60.0  # seconds of all parts together, and of which that begins


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 where a part failed."""
    parser = argparse.ArgumentParser("python -m tests.gpu", description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS), metavar="PART")
    parser.add_argument("--data", metavar="FILE", help="preference pairs to train on; without, made-up rows")
    parser.add_argument("--record", type=Path, default=RECORD, help="where what is found is written")
    options = parser.parse_args(arguments)
    chosen = {name: part for name, part in PARTS.items() if name in options.only}
    return run(chosen, replace(Sizes(), data=options.data), describe(), options.record)


def run(
    parts: Mapping[str, Callable[[Sizes], Any]],
    sizes: Sizes,
    machine: dict[str, Any],
    record: Path = RECORD,
    say: Callable[[str], None] = print,
    budget: float = BUDGET,
) -> int:
    """Each part in turn, and the record of those that could run; the exit code."""
    found: dict[str, Any] = {}
    content: dict[str, Any] = {"date": date.today().isoformat(), "machine": machine}
    before = earlier(record, content)
    ends = time.perf_counter() + budget
    for name, part in parts.items():
        left = ends - time.perf_counter()
        why = lacking(name, sizes, machine) or ("no time is left" if left < LEAST else None)
        if why is not None:
            say(f"{name}: skipped, {why}")
            continue
        began = time.perf_counter()
        try:
            found[name] = {"found": part(replace(sizes, limit=min(sizes.limit, left)))}
        except Exception as error:  # the other parts go on
            found[name] = {"error": f"{type(error).__name__}: {error}"}
        found[name]["seconds"] = round(time.perf_counter() - began, 1)
        failed = found[name].get("error", "").partition("\n")[0]
        say(f"{name}: {found[name]['seconds']} s{f', failed: {failed}' if failed else ''}")
        record.write_text(json.dumps(content | {"parts": before | found}, indent=1) + "\n")  # what follows may hang
    if found:
        say(f"written: {record}")
    return int(any("error" in each for each in found.values()))


def earlier(record: Path, now: dict[str, Any]) -> dict[str, Any]:
    """The parts that were recorded on the same day, on the same machine."""
    content = json.loads(record.read_text()) if record.exists() else {"date": None}
    same = [content["date"] == now["date"]]
    same += [content["machine"].get(name) == now["machine"].get(name) for name in ("gpu", "versions") if same[0]]
    return content["parts"] if all(same) else {}


def lacking(name: str, sizes: Sizes, machine: dict[str, Any]) -> str | None:
    """Why a part can't run here."""
    if sizes.device == "cuda" and machine["gpu"] is None:
        return "torch sees no GPU here"
    if sizes.device == "cuda" and name in NEEDS_SMOLLM2 and "smollm2" in machine["lacks"]:
        return str(machine["lacks"]["smollm2"])
    return None


if __name__ == "__main__":
    sys.exit(main())
