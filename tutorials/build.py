"""Scripts and Markdown pages -> executed notebooks -> an offline site: fonts, scripts and pictures are all in the pages.

Formulas are written in LaTeX, as in any notebook, and become MathML, which browsers display without a script.
"""

import html
import os
import re
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from tutorials.sources import HERE, Source, notebook_of

SECONDS = 600  # time limit of a cell
MATH = re.compile(
    r"\$\$(?P<block>.+?)\$\$|(?<![\\\w$])\$(?P<inline>[^\s$](?:[^$]*?[^\s$\\])?)\$(?![\w$])",
    re.DOTALL,
)
# Placeholder of a formula: it has no characters that Markdown would change.
PLACE = re.compile(r"FORMULA(\d+)END")
FENCE = re.compile(r"(```.*?```|``.+?``|`[^`\n]*`)", re.DOTALL)
# A link to another source, as it is in the repository.
LINK = re.compile(r'href="(?:\.\./|pages/)?(\d\d_\w+\.py|\w+\.md)(#[^"]*)?"')
# A link to a module of the package.
OURS = re.compile(r'href="\.\./\.\./grao_ref/(?:(\w+)/)?(\w+)\.py"')


def execute(source: Source) -> Any:
    """Run a script or a page as a notebook, from the project's root, on one core and without a network.

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
            timeout=SECONDS,
            resources={"metadata": {"path": str(HERE.parent)}},
            coalesce_streams=True,  # a loop that prints has one output, not one a line
        ).execute(env=environment)
    return notebook


def page(notebook: Any, title: str, navigation: str, footer: str) -> str:
    """An executed notebook as one HTML page without other files."""
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


def words(markdown: str) -> str:
    """A title or a summary as HTML, with its formulas, without the <p> around it."""
    formulas: list[str] = []
    body = markdown2html(with_formulas(markdown, formulas)).strip()
    return set_formulas(body.removeprefix("<p>").removesuffix("</p>"), formulas)


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


def with_formulas(source: str, formulas: list[str]) -> str:
    """Markdown with a placeholder for each $formula$ outside code; the formulas are appended to `formulas` as MathML."""

    def mathml(match: re.Match[str]) -> str:
        block = match["block"]
        latex, display = (block or match["inline"]), "block" if block else "inline"
        formulas.append(convert(latex, display=display))
        return f"FORMULA{len(formulas) - 1}END"

    parts = FENCE.split(source)
    return "".join(
        part if index % 2 else MATH.sub(mathml, part)
        for index, part in enumerate(parts)
    )


def set_formulas(body: str, formulas: list[str]) -> str:
    """Replace each placeholder by its formula."""
    return PLACE.sub(lambda match: formulas[int(match[1])], body)


def shell(title: str, navigation: str, content: str, footer: str) -> str:
    """The complete page around a content; the style is inside, so nothing is loaded."""
    code: Any = HtmlFormatter(style="default")
    return Template((HERE / "site" / "page.html").read_text()).substitute(
        title=html.escape(title),
        style=(HERE / "site" / "site.css").read_text()
        + code.get_style_defs(".highlight"),
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


def index_page(
    all_of_them: list[Source],
    seconds: dict[str, float],
    footer: str,
    reference: str | None = None,
    ledger: str | None = None,
) -> str:
    """The tutorials with their summaries and, for those that were just run, the seconds they took; then the pages.

    `reference`, `ledger`: the files of the package's reference and of the theory's ledger, if the site has them.
    """
    pages = [each for each in all_of_them if each.is_page]
    items = "".join(
        f'<li value="{each.number}"><a href="{each.name}.html">{words(each.title)}</a> '
        f"<p>{words(each.summary)}</p><small>"
        + (f"{seconds[each.name]:.0f} s · " if each.name in seconds else "")
        + f'<a href="notebooks/{each.name}.ipynb" download>notebook</a></small></li>'
        for each in all_of_them
        if not each.is_page
    )
    others = "".join(
        f'<li><a href="{each.name}.html">{words(each.title)}</a> <p>{words(each.summary)}</p></li>'
        for each in pages
    )
    if reference is not None:
        others += (
            f'<li><a href="{reference}">Reference</a> <p>Every public name of the package, with its arguments, shapes, '
            "units and errors, from the docstrings.</p></li>"
        )
    if ledger is not None:
        others += (
            f'<li><a href="{ledger}">The ledger</a> <p>Every statement of the paper, and what theorems and experiments '
            "add, with a verdict that was computed.</p></li>"
        )
    if others:
        others = f'<h2>Pages</h2><ul class="index">{others}</ul>'
    text = (
        "<h1>Learn alignment by running it</h1><p>GRAO and related methods, from four samples on paper to a language "
        "model that becomes better than its references. The package that also trains the models computed the numbers "
        "and pictures when this site was built, without a GPU or a network; results recorded earlier are marked as "
        "recorded. Most tutorials end with exercises that a command checks: <code>make exercise 1</code>.</p>"
    )
    return shell(
        "Learn alignment by running it",
        "",
        f'<main>{text}<ol class="index">{items}</ol>{others}</main>',
        footer,
    )
