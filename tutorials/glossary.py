"""The glossary: its page, and the first occurrence of each term on every other page, with its sentence to unfold."""

import html
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tutorials.contents import slug
from tutorials.links import CLOSED, UNCHANGED
from tutorials.markup import is_tag, pieces

FILE = "glossary.html"
OPEN = ("p", "li", "dd")  # what a term is marked in
SHUT = (*CLOSED, "code", "figure", "table", ".index", ".output", "details")


@dataclass(frozen=True)
class Term:
    """A word of the site. `meaning` is HTML; `where` is the page that explains it, as (file, title), if there is one."""

    name: str
    forms: tuple[str, ...]
    never: tuple[str, ...]
    meaning: str
    where: tuple[str, str] | None = None

    @property
    def place(self) -> str:
        """Its place on the glossary's page."""
        return slug(self.name)


def read_terms(path: Path, titles: dict[str, str]) -> list[Term]:
    """The terms of a file, by name; none if there is no file. `titles`: a page's name -> its title, as HTML.

    Raises `ValueError` where a term has no sentence, or a field has another name.
    """
    from tutorials.formulas import words

    if not path.exists():
        return []
    found = []
    for name, said in tomllib.loads(path.read_text()).items():
        if "meaning" not in said or set(said) - {"forms", "never", "meaning", "where"}:
            raise ValueError(
                f"{path}: {name!r} needs a meaning, and may have forms, never and where"
            )
        ends = [
            page
            for end in said.get("where", ())
            for page in titles
            if page.endswith(end)
        ]
        where = (f"{ends[0]}.html", titles[ends[0]]) if ends else None
        forms, never = tuple(said.get("forms", (name,))), tuple(said.get("never", ()))
        found.append(Term(name, forms, never, words(said["meaning"]), where))
    return sorted(found, key=lambda term: term.name.lower())


def glossary(terms: list[Term]) -> str:
    """The glossary's page, as what stands in its <main>."""
    rows = "".join(
        f'<dt id="{html.escape(term.place)}">{html.escape(term.name)}</dt><dd>{term.meaning} {_explained(term)}</dd>'
        for term in terms
    )
    return (
        "<h1>Glossary</h1><p>The words of this site, each in one sentence. On every page the first occurrence of a word "
        "has a dotted line: point at it, tap it or move to it by the Tab key to see its sentence.</p>"
        f'<dl class="glossary">{rows}</dl>'
    )


def _explained(term: Term) -> str:
    """A link to the page that explains the term."""
    if term.where is None:
        return ""
    file, title = term.where
    return f'<span class="where">Explained in <a href="{file}">{title}</a>.</span>'


def with_terms(body: str, terms: list[Term]) -> str:
    """The body with a button at each term's first occurrence, and below it the sentences that the buttons show."""
    waiting = dict(enumerate(terms))
    shown: list[Term] = []
    made = []
    for piece, around in pieces(body, UNCHANGED):
        closed = is_tag(piece) or any(around[each] for each in SHUT)
        if waiting and not closed and any(around[each] for each in OPEN):
            piece = _marked(piece, waiting, shown)
        made.append(piece)
    boxes = "".join(
        f'<div popover class="meaning" id="term-{html.escape(term.place)}"><b>{html.escape(term.name)}</b>: '
        f'{term.meaning} {_explained(term)} <a href="{FILE}#{html.escape(term.place)}">Glossary</a></div>'
        for term in shown
    )
    return "".join(made) + boxes


def _marked(text: str, waiting: dict[int, Term], shown: list[Term]) -> str:
    """A text with buttons at what it has of the terms that wait, which wait no longer."""
    longer = "|".join(
        re.escape(each) for term in waiting.values() for each in term.never
    )
    either = "|".join(f"(?P<t{key}>{_pattern(term)})" for key, term in waiting.items())
    pattern = re.compile(
        rf"(?<![\w-])(?:(?P<never>{longer or '(?!)'})|{either})(?![\w-])"
    )
    marked: set[int] = set()

    def mark(found: re.Match[str]) -> str:
        if found["never"] is not None or int(str(found.lastgroup)[1:]) in marked:
            return found[0]
        key = int(str(found.lastgroup)[1:])
        marked.add(key)
        term = waiting.pop(key)
        shown.append(term)
        return f'<button type="button" class="term" popovertarget="term-{html.escape(term.place)}">{found[0]}</button>'

    return pattern.sub(mark, text)


def _pattern(term: Term) -> str:
    """The term's forms, the longest first, with a capital or not at the beginning, and with an s at the end or not."""
    forms = sorted(term.forms, key=len, reverse=True)
    return "|".join(
        (f"[{form[0]}{form[0].upper()}]" if form[0].islower() else re.escape(form[0]))
        + re.escape(form[1:])
        + "(?:s?)"
        for form in forms
    )
