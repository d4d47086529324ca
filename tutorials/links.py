"""Links in the text: labels such as thm-4 to the ledger's pages, names of the package to its reference.

What the folder of the site has decides: a label without a page, and a name without an entry, stay as they are.
"""

import html
import re
from collections import defaultdict
from pathlib import Path

from tutorials.markup import WHOLE, is_tag, pieces

ENTRY = re.compile(r'<section class="entry" id="([\w.]+)"')
EXPORT = re.compile(r'<li><a href="(api_\w+\.html#[\w.]+)"><code>(\w+)</code></a>: ')
CALLED = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?")
# Where nothing becomes a link.
CLOSED = ("a", "button", "summary", "h1", "h2", "h3", "nav")
UNCHANGED = (*WHOLE, "pre", "math", "svg")
# A file of the repository that is no page of the site; and the ledger as the repository has it.
ELSEWHERE = re.compile(
    r'<a\s[^>]*?href="((?:\.\./)+)([^"#]*)(?:#([^"]*))?"[^>]*>(.*?)</a>', re.DOTALL
)
REPORT = "theory/REPORT.md"


def ledger_pages(folder: Path) -> dict[str, str]:
    """Each label that has a page in the site's folder -> its file: thm-4 -> ledger_thm-4.html."""
    found = sorted(folder.glob("ledger_*.html"))
    return {path.stem.removeprefix("ledger_"): path.name for path in found}


def package_names(folder: Path) -> dict[str, str]:
    """Each name that can mean one entry alone -> its place in the reference: file.html#full.name.

    Those are full names, their ends with a dot, what the package itself exports, and single names that one entry has
    and that are no plain words.
    """
    candidates: dict[str, set[str]] = defaultdict(set)
    exported = {}
    for path in sorted(folder.glob("api_*.html")):
        text = path.read_text()
        for full in ENTRY.findall(text):
            parts = full.split(".")
            for start in range(len(parts)):
                candidates[".".join(parts[start:])].add(f"{path.name}#{full}")
        if path.name == "api_grao_ref.html":
            exported = {name: place for place, name in EXPORT.findall(text)}
    unique = {
        name: next(iter(places))
        for name, places in candidates.items()
        if len(places) == 1 and (not name.islower() or "_" in name or "." in name)
    }
    return unique | exported


def tutorial_pages(folder: Path) -> dict[str, str]:
    """Each tutorial's number -> its file, as far as the folder has them."""
    found = sorted(folder.glob("[0-9][0-9]_*.html"))
    return {str(int(path.name[:2])): path.name for path in found}


class Linker:
    """Makes links to the pages of a folder."""

    def __init__(
        self, labels: dict[str, str], names: dict[str, str], tutorials: dict[str, str]
    ) -> None:
        self.labels, self.names = labels, names
        self.tutorials = tutorials
        longest = sorted(labels, key=len, reverse=True)
        either = "|".join(_first_letter_free(each) for each in longest) or "(?!)"
        self.named = re.compile(
            rf"(?<![\w-])(?:{either}|[Tt]utorial (?P<number>\d+))(?!\w|-[a-z\d])"
        )

    def links(self, body: str, own: str = "") -> str:
        """The body with its links; none leads to `own`, the file that the body is for."""
        made = []
        for piece, around in pieces(body, UNCHANGED):
            if is_tag(piece) or any(around[each] for each in CLOSED):
                made.append(piece)
            elif around["code"]:
                made.append(self._code(piece, own))
            else:
                in_table = bool(around["td"] or around["th"])
                made.append(self._prose(piece, own, in_table))
        return "".join(made)

    def _prose(self, text: str, own: str, in_table: bool) -> str:
        def link(found: re.Match[str]) -> str:
            if found["number"] is None:
                return self._label(found[0], own, in_table)
            file = self.tutorials.get(found["number"])
            return (
                found[0] if file in (None, own) else f'<a href="{file}">{found[0]}</a>'
            )

        return self.named.sub(link, text)

    def _label(self, written: str, own: str, in_table: bool = False) -> str:
        """A label as a link. In a table A1 can be the name of a row: it stays as it is."""
        file = self.labels.get(written) or self.labels.get(
            written[:1].lower() + written[1:]
        )
        if file in (None, own) or (in_table and written.startswith("A")):
            return written
        return f'<a class="label" href="{file}">{written}</a>'

    def _code(self, text: str, own: str) -> str:
        if text in self.labels:
            return self._label(text, own)
        called = CALLED.fullmatch(html.unescape(text))
        place = self.names.get(called[1]) if called else None
        if place is None or place.partition("#")[0] == own:
            return text
        return f'<a class="name" href="{place}">{text}</a>'


def _first_letter_free(label: str) -> str:
    """A pattern of the label, also as the first word of a sentence: Thm-4."""
    first = label[0]
    begin = f"[{first}{first.upper()}]" if first.islower() else first
    return begin + re.escape(label[1:])


def with_files(
    body: str, labels: dict[str, str], has_ledger: bool, repository: str | None
) -> str:
    """Links to files of the repository lead to the ledger's pages, or to the repository on the web, or are words alone."""

    def link(found: re.Match[str]) -> str:
        _, file, place, words = found.groups()
        if file == REPORT and (place in labels or has_ledger):
            return f'<a href="{labels.get(place or "", "ledger.html")}">{words}</a>'
        if repository is None:
            return words
        return f'<a href="{repository}/blob/main/{file}{f"#{place}" if place else ""}">{words}</a>'

    return ELSEWHERE.sub(link, body)
