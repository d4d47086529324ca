"""Settle every claim; write ledger.json, REPORT.md and figures; compare with the committed report and ledger."""

import argparse
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from theory.at_once import settle_all
from theory.ledger import SIZES, Claim, Row, Run, select
from theory.record import record, stale, written
from theory.report import plain, staleness, verdict_table, write

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 where a control, the committed report or the committed ledger disagrees; 2 on bad input."""
    options = _parse(arguments)
    console = Console(stderr=True)
    torch.set_num_threads(1)  # the tensors are too small for a second thread to help
    if find_spec("sympy") is None:
        needs = "the theory laboratory needs sympy: pip install 'grao_ref[theory]'"
        console.print(f"[red]error:[/] {plain(needs)}", highlight=False, soft_wrap=True)
        return 2
    try:
        chosen = select(options.only)
    except ValueError as error:
        console.print(f"[red]error:[/] {plain(str(error))}", highlight=False)
        return 2
    try:
        rows = run_all(chosen, Run(options.size, options.output_dir / "figures"), console)
    except ValueError as error:  # a void check, or an undecided claim
        console.print(f"[red]the ledger does not stand:[/] {plain(str(error))}", highlight=False)
        return 1
    path = write(rows, options.output_dir)
    Console().print(verdict_table(rows))
    if len(rows) == 1:
        Console().print(plain(rows[0].finding.note), highlight=False)
    console.print(f"{path} and ledger.json, {sum(row.seconds for row in rows):.0f} s", highlight=False)
    if options.size != "default":
        return 0
    return _compare_some(rows, console) if options.only else _compare(rows, path, options, console)


def run_all(chosen: list[Claim], run: Run, console: Console) -> list[Row]:
    """Settle claims, and show how many are. Raises `ValueError`, naming the claim, where one does not stand."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    rows: dict[str, Row] = {}
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(chosen))
        for row in settle_all(chosen, run):
            rows[row.claim.id] = row
            progress.update(task, description=row.claim.id, advance=1)
    return [rows[claim.id] for claim in chosen]


def _compare(rows: list[Row], path: Path, options: argparse.Namespace, console: Console) -> int:
    report, ledger = HERE / "REPORT.md", [record(row) for row in rows]
    if options.accept:
        shutil.copy(path, report)
        (HERE / "ledger.json").write_text(written(ledger))
        shutil.copytree(path.parent / "figures", HERE / "figures", dirs_exist_ok=True)
        console.print("theory/REPORT.md, theory/ledger.json and theory/figures are these now")
        return 0
    differences = staleness(report.read_text() if report.exists() else "", path.read_text())
    return _say({"theory/REPORT.md": differences, "theory/ledger.json": stale(_committed(), ledger)}, console)


def _compare_some(rows: list[Row], console: Console) -> int:
    """The rows that were chosen with the committed ledger's; a claim from a file of one's own is not in it."""
    ours = [record(row) for row in rows if row.claim.source.startswith("theory/")]
    return _say({"theory/ledger.json": stale(_committed(), ours, whole=False)}, console) if ours else 0


def _committed() -> list[dict[str, Any]]:
    path = HERE / "ledger.json"
    return json.loads(path.read_text()) if path.exists() else []


def _say(differences: dict[str, list[str]], console: Console) -> int:
    """Print which committed files differ, and how. The exit code: 1 if one does."""
    for name, found in differences.items():
        if not found:
            console.print(f"{name} says the same")
            continue
        console.print(f"[red]{name} is stale[/] (`make theory ARGS=--accept` replaces it):")
        for difference in found:
            console.print(plain(f"  {difference}"), highlight=False)
    return int(any(differences.values()))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m theory", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="settle these alone, e.g. claim-4 thm-6")
    parser.add_argument("--size", choices=SIZES, default="default", help="size of samples and grids")
    parser.add_argument("--full", dest="size", action="store_const", const="full", help="the same as --size full")
    parser.add_argument("--accept", action="store_true", help="replace the committed report, ledger and figures")
    parser.add_argument(
        "--output-dir", type=Path, default=HERE / "_build", metavar="DIR", help="for ledger.json, REPORT.md, figures"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
