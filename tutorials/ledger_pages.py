"""The theory laboratory's ledger as pages of the site: an index, and a page for each claim.

They are made from theory/ledger.json, which `make theory` compares with what it computes. Nothing is computed here.
"""

import html
import json
import re
from pathlib import Path

from tutorials.api_text import python
from tutorials.build import shell
from tutorials.formulas import words
from tutorials.ledger_index import SITE, Index, Row, badge, slug
from tutorials.ledger_links import (
    ROOT,
    Package,
    Use,
    checked_by,
    kind_of,
    line_of,
    mentions,
)
from tutorials.ledger_pictures import FIGURES, image, panels
from tutorials.ledger_scale import at_this_scale
from tutorials.ledger_text import Texts, linked, listed, page_of
from tutorials.sources import Source

LEDGER = ROOT / "theory" / "ledger.json"
HOME = "ledger.html"


def write_ledger(
    folder: Path, footer: str, sources: list[Source], ledger: Path = LEDGER
) -> list[str]:
    """Write the index and a page for each claim; returns the files' names.

    `sources` are the tutorials and pages that the site has. Links to the package's reference are made if it is in
    `folder` already. Raises `ValueError` where `SEVEN` or a topic does not fit with the ledger.
    """
    rows: list[Row] = json.loads(ledger.read_text())
    index = Index(rows)
    style = f"<style>{(SITE / 'ledger.css').read_text()}</style>"
    script = f"<script>{(SITE / 'ledger.js').read_text()}</script>"
    up = '<a href="index.html">All tutorials</a>'
    body = f'{style}<main class="ledger">{index.body()}</main>{script}'
    (folder / HOME).write_text(shell("The ledger", up, body, footer))
    ordered = index.ordered()
    pages = Pages(ordered, sources, folder)
    for at, row in enumerate(ordered):
        links = [up, f'<a href="{HOME}">The ledger</a>']
        if at:
            before = ordered[at - 1]["id"]
            links.append(f'<a rel="prev" href="{page_of(before)}">← {before}</a>')
        if at + 1 < len(ordered):
            after = ordered[at + 1]["id"]
            links.append(f'<a rel="next" href="{page_of(after)}">{after} →</a>')
        title = f"{row['id']}: {row['statement'].replace('`', '')}"
        body = f'{style}<main class="ledger">{pages.page(row)}</main>'
        (folder / page_of(row["id"])).write_text(
            shell(title, " ".join(links), body, footer)
        )
    return [HOME, *(page_of(row["id"]) for row in ordered)]


class Pages:
    """The page of each row, as HTML."""

    def __init__(self, rows: list[Row], sources: list[Source], folder: Path) -> None:
        self.sources, self.folder = sources, folder
        self.texts = Texts(row["id"] for row in rows)
        self.package = Package()
        self.named = {
            row["id"]: set(
                self.texts.mentions(
                    " ".join(row[name] for name in ("statement", "note", "argument"))
                )
            )
            - {row["id"]}
            for row in rows
        }

    def page(self, row: Row) -> str:
        """What stands in <main>."""
        id, topic = row["id"], row["topic"]
        kind, source = kind_of(id)
        text = self.texts.words
        note = f"<p>{text(row['note'], id)}</p>"
        if row["untestable"]:
            note += f"<p>It cannot be tested here: {text(row['untestable'], id)}.</p>"
        why = self.texts.argument(row["argument"], id)
        return (
            f'<p class="crumb"><b class="id">{id}</b> {kind} · '
            f'<a href="{HOME}#topic={slug(topic)}">{html.escape(topic)}</a></p>'
            f'<h1 class="claim">{text(row["statement"], id)}</h1>'
            f'<p class="verdict">{badge(row["verdict"])}</p>'
            f'<p class="short">{html.escape(row["answer"], quote=False)}</p>'
            f'<p class="source">Source: {source}.</p>'
            + "".join(self._figure(each) for each in row["figures"])
            + f"<h2>What was found</h2>{note}"
            + (f"<h2>Why</h2>{why}" if why else "")
            + self._checks(row)
            + self._numbers(row)
            + at_this_scale(id)
            + f'<h2>Go on from here</h2><dl class="places">{self._places(row)}</dl>'
        )

    def _figure(self, figure: dict[str, str]) -> str:
        picture = image(FIGURES / f"{figure['name']}.png")
        width = int(re.findall(r'width="(\d+)"', picture)[0])
        count = panels(width)
        alt = html.escape(figure["alt"])
        single = " single" if count == 1 else ""
        return (
            f'<figure><div class="wide{single}" style="--panels: {count}" tabindex="0" role="group" '
            f'aria-label="Figure"><img alt="{alt}" {picture}></div><figcaption>{alt}</figcaption></figure>'
        )

    def _checks(self, row: Row) -> str:
        if not row["checks"]:
            return ""
        items = ""
        for check in row["checks"]:
            kind = {"holds": "it holds", "counterexample": "a counterexample"}[
                check["kind"]
            ]
            kind += "" if check["passed"] else ", which did not come out"
            items += (
                f"<li><p>{self.texts.words(check['what'], row['id'])}</p>"
                f"<p>measured <b>{check['measured']}</b>, limit {html.escape(check['limit'])} "
                f'<span class="kind">({kind})</span></p>'
                f'<p class="control">control, {self.texts.words(check["control"], row["id"])}: '
                f"<b>{check['control_measured']}</b></p></li>"
            )
        count = len(row["checks"])
        return (
            f"<h2>Checks</h2><details><summary>{count} check{'s' * (count > 1)}, each with its control, which has to be "
            f'on the other side of the limit</summary><ul class="checks">{items}</ul></details>'
        )

    def _numbers(self, row: Row) -> str:
        if not row["numbers"]:
            return ""
        lines = "".join(
            f"<tr><td>{self.texts.words(name, row['id'])}</td><td>{value}</td></tr>"
            for name, value in row["numbers"].items()
        )
        count = len(row["numbers"])
        return (
            f"<details><summary>{count} more number{'s' * (count > 1)}</summary>"
            f'<table class="numbers"><tbody>{lines}</tbody></table></details>'
        )

    def _places(self, row: Row) -> str:
        id = row["id"]
        naming = [other for other, named in self.named.items() if id in named]
        told = [self._source(each) for each in mentions(id, self.sources)]
        tests = [f"<code>{breaking(each)}</code>" for each in checked_by(id)]
        found = {
            "Compute it again": f'<pre>make theory ARGS="--only {id}"</pre>',
            "Code": self._code(row),
            "What it uses of the package": self._uses(row),
            "Tests": listed(tests),
            "Tutorials that mention it": listed(told),
            "Rows that it mentions": ", ".join(map(linked, sorted(self.named[id]))),
            "Rows that mention it": ", ".join(map(linked, naming)),
        }
        return "".join(
            f"<dt>{name}</dt><dd>{text}</dd>" for name, text in found.items() if text
        )

    def _source(self, source: Source) -> str:
        return f'<a href="{source.name}.html">{words(source.title)}</a>'

    def _code(self, row: Row) -> str:
        line = line_of(row["source"], row["function"])
        code = python((ROOT / row["source"]).read_text())
        return (
            f"<code>{row['source']}</code>, function <code>{row['function']}</code> (line {line})"
            f'<details><summary>the file</summary><div class="highlight"><pre>{code}</pre></div></details>'
        )

    def _uses(self, row: Row) -> str:
        """Names of the package, by the file that imports them."""
        files: dict[str, list[str]] = {}
        for use in self.package.uses(row["source"]):
            files.setdefault(use.through, []).append(self._use(use))
        if not files:
            return "nothing: it is computed without the package"
        return listed(
            [
                ", ".join(names) + (f", through <code>{file}</code>" if file else "")
                for file, names in files.items()
            ]
        )

    def _use(self, use: Use) -> str:
        file = use.place.partition("#")[0]
        if not file or not (self.folder / file).exists():
            return f"<code>{use.name}</code>"
        return f'<a href="{use.place}"><code>{use.name}</code></a>'


def breaking(name: str) -> str:
    """A long name as HTML that may be broken at its underscores.

    >>> breaking("a/b.py::c_d")
    'a/b.py::<wbr>c_<wbr>d'
    """
    return html.escape(name).replace("_", "_<wbr>").replace("::", "::<wbr>")
