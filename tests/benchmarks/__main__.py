"""Measure a step beside TRL and a bare loop: `make bench`. Results go to tutorials/recorded/bench.json."""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks import laboratory, products, record, short
from tests.benchmarks.driver import race
from tests.benchmarks.workload import SHORT, SMOLLM2, Scenario, scenarios

LABORATORY, PRODUCTS = "laboratory", "products"  # no sides: laboratory.py, products.py


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 where a side failed or a bound is broken; 2 on bad input."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="scenarios whose names begin like this")
    parser.add_argument("--sides", nargs="+", default=[], metavar="SIDE", help="only these; nothing is recorded")
    parser.add_argument("--list", action="store_true", help="show the scenarios and stop")
    parser.add_argument("--short", action="store_true", help="a minute for CI: ratios within bounds, no record")
    parser.add_argument("--rounds", type=int, help="timed steps of each side")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every side (default: all cores)")
    parser.add_argument("--output", type=Path, default=record.RECORD, metavar="FILE")
    options = parser.parse_args(arguments)
    machine = describe()
    if options.short:
        return check_ratios(machine)
    every = scenarios(options.threads, machine["gpu"] is not None)
    names = [*(each.name for each in every), PRODUCTS, LABORATORY]
    wanted = {name for name in names if not options.only or name.startswith(tuple(options.only))}
    chosen = [each for each in every if each.name in wanted]
    if options.list or not wanted:
        print("\n".join(names))
        return 0 if options.list else 2
    failures, began = 0, time.perf_counter()
    if LABORATORY in wanted and not options.sides:
        failures += laboratory.main()
    if PRODUCTS in wanted and not options.sides:
        failures += products.main(machine)
    for scenario in chosen:
        if scenario.workloads[0].model == SMOLLM2 and "smollm2" in machine["lacks"]:
            print(f"{scenario.name} is left out: {machine['lacks']['smollm2']}")
            continue
        scenario = possible(scenario, machine, options.sides, options.rounds)
        points = race(scenario, say=lambda line: print(f"[{time.perf_counter() - began:5.0f} s] {line}", flush=True))
        failures += sum("failed" in side for point in points for side in point["sides"].values())
        if not options.sides:
            record.merge(options.output, scenario, points, machine)
    return int(failures > 0)


def possible(scenario: Scenario, machine: dict[str, Any], sides: list[str], rounds: int | None) -> Scenario:
    """The scenario without the sides that are not asked for, or not installed, which is said."""
    kept = tuple(side for side in scenario.sides if not sides or side in sides)
    if "trl" in machine["lacks"] and any(side.startswith("trl") for side in kept):
        print(f"{scenario.name} without TRL: {machine['lacks']['trl']}")
        kept = tuple(side for side in kept if not side.startswith("trl"))
    return replace(scenario, sides=kept, rounds=rounds or scenario.rounds)


def check_ratios(machine: dict[str, Any]) -> int:
    """CI's short form."""
    (point,) = race(possible(SHORT, machine, [], None))
    passed, said = short.verdict(point)
    print("\n".join(said) if said else "the ratios are within their bounds, and the control is refused")
    return int(not passed)


def describe() -> dict[str, Any]:
    """The machine, from a process of its own: this one stays small."""
    command = [sys.executable, "-m", "tests.benchmarks.machine"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
