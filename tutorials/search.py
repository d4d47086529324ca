"""The index of the site's search: the words of every page, part by part, as a script beside the pages.

A script, because a page that is opened as a file may not read another file in any other way.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from tutorials.markup import WHOLE, is_tag, pieces, text_of

FILE = "search-index.js"
MAIN = re.compile(r"<main\b[^>]*>(.*)</main>", re.DOTALL)
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
# What begins a part: a heading, an entry of the reference, a term of the glossary.
BEGIN = re.compile(r'<(h1|h2|h3|section|dt)\b(?:(?!\sid=)[^>])*(?:\sid="([^"]*)")?')
UNREAD = (".output", ".meaning")


@dataclass
class Part:
    """A part of a page: where it begins, its heading, its words."""

    place: str
    heading: str = ""
    words: list[str] = field(default_factory=list)


def parts(page: str) -> list[Part]:
    """What the search knows of a page."""
    main = MAIN.search(page)
    found = [Part("")]
    heading: str | None = None  # the element whose words are the heading
    is_reference = main is not None and 'class="api"' in main[0][:200]
    whole = (
        *WHOLE,
        "details",
        "figure",
        "math",
        "button",
        *(["pre"] if is_reference else []),
    )
    for piece, around in pieces(main[1] if main else "", whole):
        if is_tag(piece):
            begins = BEGIN.match(piece)
            if begins and (begins[2] or begins[1] == "h1"):
                name = begins[1]
                if name == "section":
                    found.append(Part(begins[2], begins[2].rpartition(".")[2]))
                else:
                    heading = name
                    found.append(Part(begins[2] or ""))
            elif heading and piece.startswith(f"</{heading}"):
                heading = None
            elif found[-1].words and not piece.startswith(
                ("<code", "</code", "<a", "</a", "<em", "</em", "<span", "</span")
            ):
                found[-1].words.append(" ")
            continue
        if heading:
            found[-1].heading += piece
        elif not any(around[each] for each in UNREAD):
            found[-1].words.append(piece)
    return [each for each in found if each.heading or "".join(each.words).strip()]


def write_index(folder: Path, files: list[str]) -> None:
    """Write the index of these pages into the folder: [[file, title, [[place, heading, words], ...]], ...]."""
    index = []
    for file in files:
        page = (folder / file).read_text()
        title = TITLE.search(page)
        known = [
            [each.place, text_of(each.heading), text_of("".join(each.words))]
            for each in parts(page)
        ]
        index.append([file, text_of(title[1]) if title else file, known])
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    (folder / FILE).write_text(f"window.SITE_INDEX = {text};\n")
