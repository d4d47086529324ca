"""Run every tutorial and page, and build the site: `make tutorials`, then open tutorials/_build/index.html."""

import argparse
import os
import platform
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from rich.console import Console
from rich.markup import escape

from tutorials.api_pages import INDEX, write_reference
from tutorials.build import execute, navigation, page, shell
from tutorials.finish import finish
from tutorials.formulas import words
from tutorials.glossary import FILE, glossary, read_terms
from tutorials.index import index_page
from tutorials.kernels import for_so_many
from tutorials.ledger_pages import HOME, write_ledger
from tutorials.notebooks import write_notebook
from tutorials.sources import HERE, Source, pages, place_of, plain, tutorials

AT_ONCE = 2
REFERENCE = "api"  # what `--only` calls the reference of the package
LEDGER = "ledger"  # and the theory laboratory's


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 where one fails; 2 on bad input."""
    parser = argparse.ArgumentParser("python -m tutorials", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="N",
        help="build only these: tutorials by number, pages by name, the reference as api, the ledger",
    )
    parser.add_argument("--source-dir", type=Path, default=HERE, metavar="DIR")
    parser.add_argument(
        "--output-dir", type=Path, default=HERE / "_build", metavar="DIR"
    )
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        every = tutorials(options.source_dir) + pages(options.source_dir)
        titles = {each.name: words(each.title) for each in every}
        terms = read_terms(options.source_dir / "glossary.toml", titles)
    except ValueError as error:
        console.print(f"[red]error:[/] {escape(str(error))}")
        return 2
    known = [each.label for each in every]
    ours = options.source_dir == HERE
    if ours:
        known += [REFERENCE, LEDGER]
    unknown = sorted(set(options.only) - set(known))
    if unknown or not every:
        console.print(
            f"[red]error:[/] there is no tutorial {escape(', '.join(unknown))}; "
            f"in {escape(str(options.source_dir))} there are: {', '.join(known) or 'none'}"
        )
        return 2
    chosen = [each for each in every if not options.only or each.label in options.only]
    folder: Path = options.output_dir
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    present = [
        each
        for each in every
        if each in chosen or (folder / f"{each.name}.html").exists()
    ]
    wanted = {REFERENCE, LEDGER}.intersection(options.only or known)
    with for_so_many(len(chosen)) as kernels, ThreadPoolExecutor(AT_ONCE) as pool:
        if chosen:
            console.print(
                f"running {len(chosen)}, {AT_ONCE} at once: up to a minute each"
            )
        running = {
            pool.submit(build, each, present, folder, kernels): each for each in chosen
        }
        _look_ups(wanted, present, folder, console)
        seconds, failed = _ended(running, console)
    present = [each for each in present if (folder / f"{each.name}.html").exists()]
    if terms:
        body = f"<main>{glossary(terms)}</main>"
        (folder / FILE).write_text(shell("Glossary", "", body, footer()))
    if not failed:
        index = index_page(present, seconds, footer(), folder)
        (folder / "index.html").write_text(index)
    finish(folder, present, terms)
    if failed:
        return 1
    start = f"{chosen[0].name}.html" if len(chosen) == 1 else "index.html"
    start = INDEX if options.only == [REFERENCE] else start
    start = HOME if options.only == [LEDGER] else start
    console.print(f"open {escape(str(folder / start))}")
    return 0


def _look_ups(
    wanted: set[str], present: list[Source], folder: Path, console: Console
) -> None:
    """Write the reference and the ledger, while others run."""
    if REFERENCE in wanted:
        began = time.perf_counter()
        names = write_reference(folder, footer())
        took = time.perf_counter() - began
        console.print(f"reference, {len(names)} pages  {took:.0f} s")
    if LEDGER in wanted:
        names = write_ledger(folder, footer(), present)
        console.print(f"ledger, {len(names)} pages")


def _ended(
    running: dict[Future[float], Source], console: Console
) -> tuple[dict[str, float], list[str]]:
    """The seconds of those that ended well, and the names of those that failed."""
    seconds, failed = {}, []
    for job in as_completed(running):
        source = running[job]
        name = source.name
        try:
            seconds[name] = job.result()
            console.print(f"{name}  {seconds[name]:.0f} s")
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failed.append(name)
            console.print(f"[red]{name} fails[/]{escape(place_of(error, source))}")
            console.print(plain(error), markup=False)
    return seconds, failed


def build(
    source: Source,
    present: list[Source],
    folder: Path,
    kernels: type[KernelManager] = AsyncKernelManager,
) -> float:
    """Execute one, and write its page with links to its neighbours in `present`; of a tutorial, also the notebook.

    Returns its seconds.
    """
    began = time.perf_counter()
    notebook = execute(source, kernels)
    seconds = time.perf_counter() - began
    if not source.is_page:
        write_notebook(notebook, folder / "notebooks" / f"{source.name}.ipynb")
    of_its_kind = [each for each in present if each.is_page == source.is_page]
    markup = page(
        notebook,
        source.title,
        navigation(of_its_kind, source),
        f"{footer()}, {seconds:.0f} s",
    )
    (folder / f"{source.name}.html").write_text(markup)
    return seconds


def footer() -> str:
    """Versions and machine: what the numbers on a page depend on, besides the seed."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("grao_ref", "torch", "numpy")
    )
    return f"Built with {versions}, Python {platform.python_version()}, on {os.cpu_count()} CPU cores ({platform.machine()})"


if __name__ == "__main__":
    sys.exit(main())
