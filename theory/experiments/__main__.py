"""Train what a table compares, on this machine, and write the report.

    python -m theory.experiments knobs --processes 2    # what is missing, until it is all there
    python -m theory.experiments --report               # from the logs alone

A run stops and goes on where one likes: each cell that is done is in the log.
"""

import argparse
import sys
import time
from itertools import islice
from pathlib import Path

from theory.experiments.cells import Place, best_rates, fill, log_of, made, read
from theory.experiments.plan import Cell, Table, table_of
from theory.experiments.report import write


def main(arguments: list[str] | None = None) -> int:
    """Tune, then judge."""
    parser = argparse.ArgumentParser("python -m theory.experiments", description=__doc__.split("\n")[0])
    parser.add_argument("table", nargs="?", help="a file of theory/experiments, without its ending: knobs, sorting")
    parser.add_argument("--report", action="store_true", help="write REPORT.md from the logs, run nothing")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--home", type=Path, default=Path("runs/experiments"), help="where runs stand")
    parser.add_argument("--cells", type=int, help="stop after so many")
    options = parser.parse_args(arguments)
    if options.report:
        write()
        return 0
    try:
        table = table_of(options.table or "")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    place = Place(options.home.resolve(), log_of(table))
    place.log.parent.mkdir(parents=True, exist_ok=True)
    left = _fill(table, table.to_tune, place, options.processes, options.cells)
    if left != 0:
        _fill(table, table.to_judge(best_rates(table, read(place.log))), place, options.processes, left)
    return 0


def _fill(table: Table, cells: list[Cell], place: Place, processes: int, most: int | None) -> int | None:
    """At most so many of the cells; what is left of `most`."""
    lines = read(place.log)
    missing = [cell for cell in cells if len(made(lines, cell)) < cell.count]
    began, chosen = time.monotonic(), list(islice(missing, most))
    for done, cell in enumerate(fill(table, chosen, place, processes), start=1):
        minutes = (time.monotonic() - began) / 60
        print(f"{done} of {len(missing)} cells, {minutes:.0f} minutes: {cell}", flush=True)
    return None if most is None else most - len(chosen)


if __name__ == "__main__":
    sys.exit(main())
