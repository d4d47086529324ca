"""The report of the experiments as parts of a page: pictures stand open, the tables of each task are folded."""

import re

import mistune

from theory.experiments.plan import HERE
from tutorials import style
from tutorials.ledger_pictures import image

REPORT = HERE / "REPORT.md"
PICTURE = re.compile(r'<img src="(figures/[^"]+)" alt="([^"]*)" ?/?>')
LINK = re.compile(r"\[(commands/[^\]]+)\]\([^)]+\)")
PAGES = "../../tutorials/pages/"  # a page of the site, as the report names it
html = mistune.create_markdown(plugins=["table"])


def conclusions() -> None:
    """What stands at the report's top, below its title: what the runs are, and where they are written down."""
    present(REPORT.read_text().split("\n## ")[0].partition("\n")[2])


def section(title: str) -> None:
    """A table of runs. Raises `ValueError` on a title that the report does not have."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)",
        REPORT.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    if found is None:
        raise ValueError(f"{REPORT} has no section {title!r}")
    before, *tasks = found[1].split("\n### ")
    present(before)
    for task in tasks:
        name, _, text = task.partition("\n")
        style.present(
            f"<details><summary>{name}</summary>{markup(text)}</details>",
            f"{name}\n{text}",
        )


def present(text: str) -> None:
    """Markdown of the report as it is shown on a page."""
    style.present(markup(text), text)


def markup(text: str) -> str:
    """As HTML; pictures are in it, and a table scrolls by itself where it is wider than the page."""
    text = LINK.sub(r"`theory/experiments/\1`", text).replace(PAGES, "")
    body = str(html(text))
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>').replace(
        "</table>", "</table></div>"
    )
    return PICTURE.sub(
        lambda found: f'<img alt="{found[2]}" {image(HERE / found[1])}>', body
    )
