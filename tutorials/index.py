"""The first page of the site: what it is, the tutorials in order, the pages by what a reader wants."""

import re
from pathlib import Path

from tutorials.build import shell
from tutorials.formulas import words
from tutorials.menu import grouped, lookups
from tutorials.notebooks import colab
from tutorials.sources import Source

TITLE = "Learn alignment by running it"
ENOUGH = 60  # characters of a summary; whole sentences


def first_line(summary: str) -> str:
    """The beginning of a summary, in whole sentences: the first alone, unless it is very short.

    >>> first_line("My loss is 0. My loss grows. What is wrong, and how is it repaired, with an example? More.")
    'My loss is 0. My loss grows. What is wrong, and how is it repaired, with an example?'
    """
    line = ""
    for sentence in re.split(r"(?<=[.?!])\s+(?=[A-Z*`$])", summary):
        line = f"{line} {sentence}".strip()
        if len(line) >= ENOUGH:
            break
    return line


def index_page(
    present: list[Source], seconds: dict[str, float], footer: str, folder: Path
) -> str:
    """The tutorials, each with a line and, if it was just run, its seconds; then the pages; then what the folder has."""
    items = "".join(
        f'<li value="{each.number}"><a href="{each.name}.html">{words(each.title)}</a> '
        f"<p>{words(first_line(each.summary))}</p><small>"
        + (f"{seconds[each.name]:.0f} s · " if each.name in seconds else "")
        + f'<a href="notebooks/{each.name}.ipynb" download aria-label="Notebook of {each.number}">notebook</a>'
        + colab(each.name)
        + "</small></li>"
        for each in present
        if not each.is_page
    )
    groups = {
        wish: [
            (f"{each.name}.html", words(each.title), words(first_line(each.summary)))
            for each in pages
        ]
        for wish, pages in grouped([each for each in present if each.is_page]).items()
    }
    groups["Look up"] = [(file, *about) for file, about in lookups(folder).items()]
    others = "".join(
        f'<section><h2>{wish}</h2><ul class="index">{"".join(map(_item, pages))}</ul></section>'
        for wish, pages in groups.items()
        if pages
    )
    text = (
        f"<h1>{TITLE}</h1><p>GRAO and related methods, from four samples on paper to a language "
        "model that becomes better than its references. The package that also trains the models computed the numbers "
        "and pictures when this site was built, without a GPU or a network; results recorded earlier are marked as "
        "recorded.</p><p>Read the tutorials in their order, or press <kbd>/</kbd> and search. Most tutorials end with "
        "exercises that a command checks: <code>make exercise 1</code>. Each is also a notebook.</p>"
    )
    listed = (
        f'<section><h2>Tutorials</h2><ol class="index">{items}</ol></section>'
        if items
        else ""
    )
    main = (
        f'<main class="front">{text}{listed}<div class="groups">{others}</div></main>'
    )
    return shell(TITLE, "", main, footer)


def _item(page: tuple[str, str, str]) -> str:
    file, title, summary = page
    return f'<li><a href="{file}">{title}</a> <p>{summary}</p></li>'
