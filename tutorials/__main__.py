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
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from rich.console import Console
from rich.markup import escape

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
        "--only",
        nargs="+",
        type=int,
        default=[],
        metavar="N",
        help="build only these, e.g. 2 4",
    )
    parser.add_argument("--source-dir", type=Path, default=HERE, metavar="DIR")
    parser.add_argument(
        "--output-dir", type=Path, default=HERE / "_build", metavar="DIR"
    )
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        every = tutorials(options.source_dir)
    except ValueError as error:
        console.print(f"[red]error:[/] {escape(str(error))}")
        return 2
    known = [each.number for each in every]
    unknown = sorted(set(options.only) - set(known))
    if unknown or not every:
        console.print(
            f"[red]error:[/] there is no tutorial {', '.join(map(str, unknown))}; "
            f"in {escape(str(options.source_dir))} there are: {', '.join(map(str, known)) or 'none'}"
        )
        return 2
    chosen = [each for each in every if not options.only or each.number in options.only]
    folder: Path = options.output_dir
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    pages = [
        each
        for each in every
        if each in chosen or (folder / f"{each.name}.html").exists()
    ]
    console.print(f"running {len(chosen)}, {AT_ONCE} at once: up to a minute each")
    seconds, failed = {}, []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(build, each, pages, folder): each for each in chosen}
        for job in as_completed(running):
            name = running[job].name
            try:
                seconds[name] = job.result()
                console.print(f"{name}  {seconds[name]:.0f} s")
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                failed.append(name)
                console.print(f"[red]{name} fails[/]")
                console.print(re.sub(r"\x1b\[[0-9;]*m", "", str(error)), markup=False)
    if failed:
        return 1
    (folder / "index.html").write_text(index_page(pages, seconds, footer()))
    start = chosen[0].name if len(chosen) == 1 else "index"
    console.print(f"open {escape(str(folder / start))}.html")
    return 0


def build(tutorial: Tutorial, pages: list[Tutorial], folder: Path) -> float:
    """Execute one, and write its notebook and its page with links to its neighbours in `pages`. Returns its seconds."""
    began = time.perf_counter()
    notebook = execute(tutorial)
    seconds = time.perf_counter() - began
    nbformat.write(notebook, folder / "notebooks" / f"{tutorial.name}.ipynb")
    markup = page(
        notebook,
        tutorial.title,
        navigation(pages, tutorial),
        f"{footer()}, {seconds:.0f} s",
    )
    (folder / f"{tutorial.name}.html").write_text(markup)
    return seconds


def footer() -> str:
    """Versions and machine: what the numbers on a page depend on, besides the seed."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("grao_ref", "torch", "numpy")
    )
    return f"Built with {versions}, Python {platform.python_version()}, on {os.cpu_count()} CPU cores ({platform.machine()})"


if __name__ == "__main__":
    sys.exit(main())
