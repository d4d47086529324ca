"""Scripts and Markdown pages -> executed notebooks -> pages, which `tutorials.finish` makes a site of.

Nothing is loaded from the web: pictures are in the pages, the style and the scripts beside them.
"""

import html
import os
import re
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from traitlets.config import Config

from tutorials.formulas import set_formulas, with_formulas, words
from tutorials.sources import HERE, Source, notebook_of

SECONDS = 600  # time limit of a cell
# A link to another source, as it is in the repository.
LINK = re.compile(r'href="(?:\.\./|pages/)?(\d\d_\w+\.py|[a-z]\w*\.md)(#[^"]*)?"')
# A link to a module of the package.
OURS = re.compile(r'href="\.\./\.\./grao_ref/(?:(\w+)/)?(\w+)\.py"')


def execute(source: Source, kernels: type[KernelManager] = AsyncKernelManager) -> Any:
    """Run a script or a page as a notebook, from the project's root, on one core and without a network.

    `kernels` makes the process that it runs in.
    Raises `nbclient`'s `CellExecutionError` if a cell fails, `CellTimeoutError` and `DeadKernelError`.
    """
    notebook = notebook_of(source.path)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    warnings = [os.environ.get("PYTHONWARNINGS"), "ignore:IProgress not found"]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONWARNINGS": ",".join(filter(None, warnings)),  # pages have no widgets
    }
    config = Config()
    with TemporaryDirectory() as folder:
        if os.name == "posix":  # sockets in this folder, not ports open to all
            config.KernelManager.transport = "ipc"
            config.KernelManager.connection_file = f"{folder}/kernel.json"
        NotebookClient(
            notebook,
            config=config,
            kernel_manager_class=kernels,
            timeout=SECONDS,
            resources={"metadata": {"path": str(HERE.parent)}},
            coalesce_streams=True,  # a loop that prints has one output, not one a line
        ).execute(env=environment)
    return notebook


def page(notebook: Any, title: str, navigation: str, footer: str) -> str:
    """An executed notebook as a page, before `tutorials.finish`."""
    formulas: list[str] = []
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = with_formulas(cell.source, formulas)
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_notebook_node(copy)
    body = set_formulas(with_links(with_folded_pictures(body)), formulas)
    return shell(title, navigation, f"<main>{body}</main>", footer)


def with_folded_pictures(body: str) -> str:
    """Fold the code of cells with the tag `picture` or `table`: a tutorial does not teach drawing."""
    soup = BeautifulSoup(body, "html.parser")
    for what in ("picture", "table", "claims"):
        cell = f"div.celltag_{what}"
        for source in soup.select(f"{cell} div.input, {cell} div.jp-Cell-inputWrapper"):
            details, summary = soup.new_tag("details"), soup.new_tag("summary")
            summary.string = f"code of the {what}"
            source.wrap(details).insert(0, summary)
    return str(soup)


def with_links(body: str) -> str:
    """Links to scripts and Markdown files become links to their pages, those to the package's code to its reference.

    >>> with_links('<a href="../09_the_family.py">5</a> <a href="add_a_method.md#a">a</a>')
    '<a href="09_the_family.html">5</a> <a href="add_a_method.html#a">a</a>'
    >>> with_links('<a href="../../grao_ref/methods/grao.py">a</a> <a href="../../grao_ref/records.py">b</a>')
    '<a href="api_methods.html#grao_ref.methods.grao">a</a> <a href="api_grao_ref.html#grao_ref.records">b</a>'
    """
    body = OURS.sub(
        lambda link: (
            f'href="api_{link[1] or "grao_ref"}.html#grao_ref.{link[1] + "." if link[1] else ""}{link[2]}"'
        ),
        body,
    )
    return LINK.sub(
        lambda link: f'href="{link[1].rpartition(".")[0]}.html{link[2] or ""}"', body
    )


def shell(title: str, navigation: str, content: str, footer: str) -> str:
    """The page around a content, which is a <main>; `tutorials.finish` adds the contents, the menu and links."""
    return Template((HERE / "site" / "page.html").read_text()).substitute(
        title=html.escape(title),
        navigation=navigation,
        content=content,
        footer=footer,
    )


def navigation(all_of_them: list[Source], current: Source) -> str:
    """Links to the index, and to those before and after among `all_of_them`."""
    index = all_of_them.index(current)
    links = ['<a href="index.html">All tutorials</a>']
    if index > 0:
        before = all_of_them[index - 1]
        links.append(
            f'<a rel="prev" href="{before.name}.html">← {words(before.title)}</a>'
        )
    if index + 1 < len(all_of_them):
        after = all_of_them[index + 1]
        links.append(
            f'<a rel="next" href="{after.name}.html">{words(after.title)} →</a>'
        )
    return " ".join(links)
