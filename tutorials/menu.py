"""The menu of the site, the same on every page: tutorials, pages, the ledger, the reference, the glossary."""

import html
import re
from pathlib import Path

from tutorials import glossary
from tutorials.formulas import words
from tutorials.sources import Source

LEDGER, REFERENCE = "ledger.html", "api.html"
# What a reader wants -> the pages that have it; a page that no group names stands in the last.
GROUPS: dict[str, tuple[str, ...]] = {
    "Train your own model": (
        *("in_a_notebook", "train_your_own_model", "coming_from_trl", "which_models"),
        *("on_a_gpu", "grao_on_trl", "what_to_expect"),
    ),
    "In practice": (
        "choosing_settings",
        "writing_a_reward",
        "six_broken_curves",
        "comparing_methods_fairly",
        "lora_and_a_gpu_run",
    ),
    "Read and extend the code": (
        *("from_the_paper_to_the_code", "the_house", "life_of_a_step", "add_a_method"),
        "the_laboratory",
    ),
    "How well it works": ("results", "speed", "scale", "what_it_survives"),
}
OTHERS = "More pages"
# The places of a page where the menu and the contents are put.
MENU = re.compile(r"<!--menu-->.*?<!--/menu-->", re.DOTALL)


def grouped(pages: list[Source]) -> dict[str, list[Source]]:
    """The pages by what a reader wants, in the order of GROUPS."""
    by_name = {each.name: each for each in pages}
    found = {
        wish: [by_name[name] for name in names if name in by_name]
        for wish, names in GROUPS.items()
    }
    named = {name for names in GROUPS.values() for name in names}
    found[OTHERS] = [each for each in pages if each.name not in named]
    return {wish: each for wish, each in found.items() if each}


def lookups(folder: Path) -> dict[str, tuple[str, str]]:
    """The pages that are looked things up in, of those that the site has: file -> title and summary."""
    every = {
        LEDGER: (
            "The paper's claims",
            "The ledger: each equation, assumption, claim and table of the paper with a verdict, and how it was settled.",
        ),
        REFERENCE: (
            "Reference",
            "Every public name of the package, with its arguments, shapes, units and errors, from the docstrings.",
        ),
        glossary.FILE: ("Glossary", "The words of this site, each in one sentence."),
    }
    return {file: about for file, about in every.items() if (folder / file).exists()}


def menu(present: list[Source], folder: Path) -> str:
    """The menu as a list of lists."""
    tutorials = [each for each in present if not each.is_page]
    parts = {
        "Tutorials": [
            (f"{each.name}.html", f"{each.number}", words(each.title))
            for each in tutorials
        ]
    }
    for wish, pages in grouped([each for each in present if each.is_page]).items():
        parts[wish] = [(f"{each.name}.html", "", words(each.title)) for each in pages]
    parts["Look up"] = [
        (file, "", title) for file, (title, _) in lookups(folder).items()
    ]
    body = "".join(
        f"<li><span>{html.escape(wish)}</span><ul>{''.join(map(_item, items))}</ul></li>"
        for wish, items in parts.items()
        if items
    )
    button = '<button type="button" aria-expanded="false" aria-controls="all-pages">Menu</button>'
    return f'<nav class="menu" aria-label="All pages">{button}<ul id="all-pages">{body}</ul></nav>'


def _item(item: tuple[str, str, str]) -> str:
    file, number, title = item
    mark = f"<b>{number}</b> " if number else ""
    return f'<li><a href="{file}">{mark}{title}</a></li>'


def with_menu(page: str, menu: str, file: str) -> str:
    """A page with the menu, in which it is marked itself; a page of the ledger or the reference, where they begin."""
    home = file
    for part in (LEDGER, REFERENCE):
        if file.startswith(part.removesuffix(".html") + "_"):
            home = part
    here = "page" if home == file else "true"
    marked = menu.replace(f'href="{home}"', f'href="{home}" aria-current="{here}"')
    return MENU.sub(lambda _: f"<!--menu-->{marked}<!--/menu-->", page)
