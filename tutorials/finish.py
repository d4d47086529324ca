"""What is done to the pages once all of them are written: contents, links, terms, the menu, the search's index.

A page is written plain, by whoever has its text, through `tutorials.build.shell`. What it leads to is known when the
folder is complete: so `finish` comes last, and treats each page that it has not treated before.
"""

import re
import shutil
import tomllib
from pathlib import Path

from tutorials import contents, glossary, menu, search
from tutorials.lines import with_lines
from tutorials.links import (
    Linker,
    ledger_pages,
    package_names,
    tutorial_pages,
    with_files,
)
from tutorials.sources import HERE, Source

ASSETS = ("site.css", "site.js", "search.js")
MAIN = re.compile(r"<main\b([^>]*)>(.*)</main>", re.DOTALL)
CONTENTS = "<!--contents-->"
FORMULA = re.compile(r'<math\b[^>]*display="block"[^>]*>.*?</math>', re.DOTALL)
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
PYPROJECT = HERE.parent / "pyproject.toml"


def repository(pyproject: Path = PYPROJECT) -> str | None:
    """The repository's address on the web, if the project's file names one."""
    urls = tomllib.loads(pyproject.read_text())["project"].get("urls", {})
    named = {name.lower(): str(url).rstrip("/") for name, url in urls.items()}
    found = (named.get(name) for name in ("repository", "source", "homepage"))
    return next((url for url in found if url), None)


def finish(folder: Path, present: list[Source], terms: list[glossary.Term]) -> None:
    """Treat the pages of a folder, and write what they need beside them."""
    for name in ASSETS:
        shutil.copy(HERE / "site" / name, folder / name)
    labels, names = ledger_pages(folder), package_names(folder)
    linker = Linker(labels, names, tutorial_pages(folder))
    has_ledger, address = (folder / menu.LEDGER).exists(), repository()
    whole = menu.menu(present, folder)
    files = []
    for path in sorted(folder.glob("*.html")):
        page = path.read_text()
        if "<!--menu-->" not in page:
            continue  # not one of ours
        files.append(path.name)
        if CONTENTS in page:

            def treat(main: re.Match[str], name: str = path.name) -> str:
                body = with_files(main[2], labels, has_ledger, address)
                return treated(body, main[1], name, linker, terms)

            page = MAIN.sub(treat, page.replace(CONTENTS, ""))
        path.write_text(menu.with_menu(page, whole, path.name))
    search.write_index(folder, _in_order(files, present))


def treated(
    body: str, attributes: str, file: str, linker: Linker, terms: list[glossary.Term]
) -> str:
    """The contents of a page, and its <main>."""
    body = FORMULA.sub(r'<span class="formula">\g<0></span>', body)
    body = TABLE.sub(r'<div class="wide">\g<0></div>', body)
    body = linker.links(with_lines(body), own=file)
    if _has_prose(file):
        body = glossary.with_terms(body, terms)
    body, headings = contents.with_places(body)
    package = re.match(r"api_(\w+)\.html", file)
    prefix = f"grao_ref.{package[1]}." if package else ""
    listed = "" if file == "index.html" else contents.contents(headings, prefix)
    return f'{listed}<main id="main" tabindex="-1"{attributes}>{body}</main>'


def _has_prose(file: str) -> bool:
    """Whether terms are explained on it: not in the reference, nor in lists of pages and words."""
    plain = ("index.html", glossary.FILE, menu.LEDGER)
    return file not in plain and not file.startswith("api")


def _in_order(files: list[str], present: list[Source]) -> list[str]:
    """Tutorials, then pages, then the rest: the order of results that are equally good."""
    first = [f"{each.name}.html" for each in present]
    return sorted(
        files,
        key=lambda file: (first.index(file) if file in first else len(first), file),
    )
