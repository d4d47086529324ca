"""Do to runs whatever may happen to them, and say what was seen: `make faults`.

Exit code 0 where nothing was bad, 1 where something was, 2 on bad flags or a part that tried nothing.
"""

import argparse
import importlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.faults import table
from tests.faults.harness import prepare
from tests.faults.outcomes import SKIPPED, Trial
from tests.faults.workshop import Workshop

PARTS = ("kills", "damages", "signals", "disk", "locks", "rewards", "judges", "flags", "data", "methods", "soak")
LONG = {"soak"}  # out of the short form


def main(arguments: list[str] | None = None) -> int:
    """Run the parts, print the table."""
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument("--short", action="store_true", help="few trials of each part but the soak: CI's form")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the soak")
    parser.add_argument("--record", action="store_true", help="write tutorials/recorded/faults.json")
    parser.add_argument("--folder", type=Path, help="where runs are made, and those that went wrong are kept")
    options = parser.parse_args(arguments)
    chosen = options.only or [part for part in PARTS if not (options.short and part in LONG)]
    console, seconds = Console(), dict[str, float]()
    if options.folder is not None:
        Path(options.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=options.folder)).resolve()
    prepare()
    shop = Workshop(folder, options.seed, options.short, options.minutes)
    found = {}
    for part in chosen:
        began = time.monotonic()
        found[part] = run(part, shop, console)
        seconds[part] = time.monotonic() - began
    table.show(found, console)
    if options.record:
        about = {"seed": options.seed, "short": options.short, "minutes": options.minutes, "seconds": seconds}
        table.record(found, **about)
    bad = any(trial.bad for trials in found.values() for trial in trials)
    if bad:
        console.print(f"Folders that went wrong are in {folder}", soft_wrap=True, markup=False, highlight=False)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    if empty := [part for part, trials in found.items() if all(trial.seen == SKIPPED for trial in trials)]:
        print(f"error: nothing was tried in {', '.join(empty)}", file=sys.stderr)
        return 2
    return int(bad)


def run(part: str, shop: Workshop, console: Console) -> list[Trial]:
    """Every trial of a part; what is bad is said at once."""
    shop.begin(part)
    began = time.monotonic()
    trials = []
    for trial in importlib.import_module(f"tests.faults.{part}").trials(shop):
        trials.append(trial)
        if trial.bad:
            console.print(f"{part}: {trial.fault}: {trial.seen}: {trial.details}", markup=False, highlight=False)
    seconds = time.monotonic() - began
    console.print(f"{part}: {len(trials)} trials in {seconds:.0f} s", highlight=False)
    return trials


if __name__ == "__main__":
    sys.exit(main())
