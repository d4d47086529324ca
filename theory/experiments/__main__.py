"""Train what a table compares, on this machine, and write the report.

    python -m theory.experiments knobs [--processes 2] [--home runs/experiments]    # what is missing, until it is all there
    python -m theory.experiments --report                                           # from the logs alone

A run stops and goes on where one likes: each cell that is done is in the log.
"""

import argparse
import sys
import time
from itertools import islice
from pathlib import Path

from theory.experiments.cells import Place, best_rates, fill, log_of, made, read
from theory.experiments.plan import Cell, Table, table_of


def main(arguments: list[str] | None = None) -> int:
    """Tune, then judge."""
    parser = argparse.ArgumentParser("python -m theory.experiments", description=__doc__.split("\n")[0])
    parser.add_argument("table", help="a file of theory/experiments, without its ending: knobs, sorting, ...")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--home", type=Path, default=Path("runs/experiments"), help="where runs stand while they are made")
    parser.add_argument("--cells", type=int, help="stop after so many")
    options = parser.parse_args(arguments)
    try:
        table = table_of(options.table)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    place = Place(options.home.resolve(), log_of(table))
    place.log.parent.mkdir(parents=True, exist_ok=True)
    left = options.cells
    for cells in (lambda: table.to_tune, lambda: table.to_judge(best_rates(table, read(place.log)))):
        left = _fill(table, cells(), place, options.processes, left)
        if left == 0:
            return 0
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
