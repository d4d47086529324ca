"""Run every tutorial and build the site: `make tutorials`, then open tutorials/_build/index.html."""

import argparse
import os
import platform
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError
from rich.console import Console

from tutorials.build import (
    HERE,
    Tutorial,
    execute,
    index_page,
    navigation,
    page,
    tutorials,
)

AT_ONCE = 2


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 where a tutorial fails; 2 on bad input."""
    parser = argparse.ArgumentParser("python -m tutorials", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="N", help="build these alone, e.g. 2 4"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=HERE / "_build", metavar="DIR"
    )
    options = parser.parse_args(arguments)
    console, every = Console(stderr=True, highlight=False), tutorials()
    unknown = set(options.only) - {str(int(each.name[:2])) for each in every}
    if unknown:
        console.print(
            f"[red]error:[/] there is no tutorial {', '.join(sorted(unknown))}; there are 1 to {len(every)}"
        )
        return 2
    chosen = [
        each
        for each in every
        if not options.only or str(int(each.name[:2])) in options.only
    ]
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore:IProgress not found",  # of a bar that no page shows
    }  # two tutorials at once, and none wants the network
    (options.output_dir / "notebooks").mkdir(parents=True, exist_ok=True)
    seconds, failed = {}, []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            pool.submit(build, each, every, options.output_dir): each for each in chosen
        }
        for job in as_completed(running):
            name = running[job].name
            try:
                seconds[name] = job.result()
                console.print(f"{name}  {seconds[name]:.0f} s")
            except CellExecutionError as error:
                failed.append(name)
                console.print(f"[red]{name} fails[/]")
                console.print(re.sub(r"\x1b\[[0-9;]*m", "", str(error)), markup=False)
    if failed:
        return 1
    if not options.only:
        (options.output_dir / "index.html").write_text(
            index_page(every, seconds, footer())
        )
    console.print(f"open {options.output_dir / 'index.html'}")
    return 0


def build(tutorial: Tutorial, every: list[Tutorial], folder: Path) -> float:
    """Execute one and write its notebook and its page; the seconds it took to run."""
    began = time.perf_counter()
    notebook = execute(tutorial)
    seconds = time.perf_counter() - began
    nbformat.write(notebook, folder / "notebooks" / f"{tutorial.name}.ipynb")
    markup = page(
        notebook,
        tutorial.title,
        navigation(every, tutorial),
        f"{footer()}, {seconds:.0f} s",
    )
    (folder / f"{tutorial.name}.html").write_text(markup)
    return seconds


def footer() -> str:
    """What a number on a page depends on beside its seed."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("grao_ref", "torch", "numpy")
    )
    return f"Built with {versions}, Python {platform.python_version()}, on {os.cpu_count()} CPU cores ({platform.machine()})"


if __name__ == "__main__":
    sys.exit(main())
