"""The contents of a page, from its headings, each of which gets a place that a link can lead to."""

import html
import re

from tutorials.markup import text_of, without

HEADING = re.compile(r"<h([23])(\s[^>]*)?>(.*?)</h\1>", re.DOTALL)
PLACED = re.compile(r'\sid="([^"]*)"')
FEWEST = 2  # headings; a page with fewer has no contents


def slug(words: str) -> str:
    """What GitHub calls the place of a heading.

    >>> slug("Recorded: what else changed, in 30 steps?"), slug("λ and `beta_eff`")
    ('recorded-what-else-changed-in-30-steps', 'λ-and-beta_eff')
    """
    return re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")


def with_places(body: str) -> tuple[str, list[tuple[int, str, str]]]:
    """The body with a place and a link at each heading, and the headings: level, place and words as HTML."""
    taken = set(PLACED.findall(body))
    found: list[tuple[int, str, str]] = []

    def placed(heading: re.Match[str]) -> str:
        level, attributes, words = heading[1], heading[2] or "", heading[3]
        if has := PLACED.search(attributes):
            place = has[1]
        else:
            place = _free(slug(text_of(words)) or "part", taken)
            attributes += f' id="{html.escape(place)}"'
        found.append((int(level), place, words))
        link = f'<a class="here" href="#{html.escape(place)}" aria-label="Link to this section"></a>'
        return f"<h{level}{attributes}>{words}{link}</h{level}>"

    return HEADING.sub(placed, body), found


def _free(place: str, taken: set[str]) -> str:
    """The place, or its first variant that no other part of the page has."""
    variants = (f"{place}-{n}" if n else place for n in range(len(taken) + 1))
    free = next(each for each in variants if each not in taken)
    taken.add(free)
    return free


def contents(headings: list[tuple[int, str, str]], prefix: str = "") -> str:
    """A list of links to the headings; empty where there are too few. `prefix` is left out of their words.

    >>> contents([(2, "a", "A"), (3, "b", "<a href='x'>B</a>"), (2, "c", "C")]).partition("<ol")[2]
    ' id="on-this-page"><li><a href="#a">A</a><ol><li><a href="#b">B</a></li></ol></li><li><a href="#c">C</a></li></ol></nav>'
    """
    if len(headings) < FEWEST:
        return ""
    items, inner = "", False
    for index, (level, place, words) in enumerate(headings):
        if level == 3 and not inner and index:
            items, inner = items.removesuffix("</li>") + "<ol>", True
        elif level == 2 and inner:
            items, inner = items + "</ol></li>", False
        shown = (
            without(words, "a").replace(f">{prefix}", ">")
            if prefix
            else without(words, "a")
        )
        items += f'<li><a href="#{html.escape(place)}">{shown}</a></li>'
    items += "</ol></li>" if inner else ""
    button = '<button type="button" aria-expanded="false" aria-controls="on-this-page">On this page</button>'
    return f'<nav class="contents" aria-label="On this page">{button}<ol id="on-this-page">{items}</ol></nav>'
