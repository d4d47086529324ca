"""The ledger's plain texts as HTML: subscripts and exponents, code, links to other rows, and where an argument folds."""

import html
import re
from collections.abc import Iterable

OPENING = 300  # characters of an argument that are seen before a fold, about
FEW = 6  # a longer list is folded from here on
REST = 200  # a rest that is shorter than this is not folded

# A base of one letter, or one of these names, with letters or a bracket below it: w_y, θ_(k+1), min_k. A longer name,
# as with_reference, is no formula.
BELOW = re.compile(
    r"(?<![^\W\d])([^\W\d_]|min|max|sup|lim|Cov|RAS)_"
    r"(\([^()]*\)|\{[^{}]*\}|(?:[^\W_][a-zA-Z0-9]*|∞)\*?)(?!_)"
)
ABOVE = re.compile(
    r"\^(\((?:[^()]|\([^()]*\))*\)"
    r"|[−-]?(?:\d+(?:\.\d+)?|[^\W\d_](?:<sub>\w+</sub>)?)(?:/\d+|(?<=\d)[a-z])?)"
)
SIGNS = {"&lt;=": "≤", "&gt;=": "≥", "-&gt;": "→"}
STRESSED = re.compile(r"(?<![\w*])\*([a-z]+)\*(?![\w*])")
SENTENCE = re.compile(r"(?<=[.?!])[\")]?\s+(?=[^\sa-z])")


class Texts:
    """Texts in which the id of a row becomes a link to its page."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = frozenset(ids)
        longest = sorted(self.ids, key=len, reverse=True)
        names = "|".join(map(re.escape, longest)) or "(?!)"
        # Also at the beginning of a sentence: Thm-1. A range such as A1-A5 is left alone.
        self.named = re.compile(
            rf"(?<![\w-])({names})(?![\w]|-\w)", flags=re.IGNORECASE
        )

    def mentions(self, text: str) -> list[str]:
        """The rows that a text names, in its order.

        >>> Texts(["thm-1", "thm-10", "A1"]).mentions("Thm-10's, thm-1 (A1-A5)")
        ['thm-10', 'thm-1']
        """
        found = (self._id(match[1]) for match in self.named.finditer(text))
        return list(dict.fromkeys(id for id in found if id))

    def _id(self, written: str) -> str:
        for name in (written, written[:1].lower() + written[1:]):
            if name in self.ids:
                return name
        return ""

    def words(self, text: str, own: str = "") -> str:
        """A text as HTML; `own`, the row whose page it is on, is no link.

        >>> Texts(["thm-1"]).words("w_y < x^(n/2), `a_b` (thm-1)")
        'w<sub>y</sub> &lt; x<sup>n/2</sup>, <code>a_b</code> (<a href="ledger_thm-1.html">thm-1</a>)'
        """
        parts = text.split("`")
        return "".join(
            f"<code>{html.escape(part)}</code>" if index % 2 else self._prose(part, own)
            for index, part in enumerate(parts)
        )

    def _prose(self, text: str, own: str) -> str:
        def link(match: re.Match[str]) -> str:
            id = self._id(match[1])
            return match[0] if id in ("", own) else linked(id, match[1])

        return self.named.sub(link, formulas(html.escape(text, quote=False)))

    def argument(self, text: str, own: str = "") -> str:
        """An argument as paragraphs, what stands in columns as it is; all but its beginning is folded."""
        seen, folded = split(pieces(text))
        body = self._pieces(seen, own)
        if folded:
            rest = self._pieces(folded, own)
            body += (
                f"<details><summary>the rest of the argument</summary>{rest}</details>"
            )
        return body

    def _pieces(self, pieces: list[tuple[str, str]], own: str) -> str:
        return "".join(
            f"<pre>{html.escape(text, quote=False)}</pre>"
            if kind == "pre"
            else f"<p>{self.words(text, own)}</p>"
            for kind, text in pieces
        )


def linked(id: str, words: str = "") -> str:
    """A link to a row's page."""
    return f'<a href="{page_of(id)}">{words or id}</a>'


def page_of(id: str) -> str:
    """The file of a row's page."""
    return f"ledger_{id}.html"


def listed(items: list[str]) -> str:
    """A list, folded from the few on.

    >>> listed(["a"])
    '<ul><li>a</li></ul>'
    """
    if not items:
        return ""
    first, rest = items[:FEW], items[FEW:]
    body = "".join(f"<li>{each}</li>" for each in first)
    body = f"<ul>{body}</ul>"
    if rest:
        more = "".join(f"<li>{each}</li>" for each in rest)
        body += f"<details><summary>{len(rest)} more</summary><ul>{more}</ul></details>"
    return body


def formulas(text: str) -> str:
    """Real subscripts and exponents for `_` and `^`, in a text whose angles are escaped; ≤ for <=.

    >>> formulas("σ_r² = k^−0.6 and θ_(k+1), with_reference, e^(−s(t)) x_2")
    'σ<sub>r</sub>² = k<sup>−0.6</sup> and θ<sub>k+1</sub>, with_reference, e<sup>−s(t)</sup> x<sub>2</sub>'
    """

    def inside(brackets: str) -> str:
        return brackets[1:-1] if brackets[0] in "({" else brackets

    for plain, sign in SIGNS.items():
        text = text.replace(plain, sign)
    text = BELOW.sub(lambda found: f"{found[1]}<sub>{inside(found[2])}</sub>", text)
    text = ABOVE.sub(lambda found: f"<sup>{inside(found[1])}</sup>", text)
    return STRESSED.sub(r"<em>\1</em>", text)


def pieces(text: str) -> list[tuple[str, str]]:
    r"""What an argument is made of: ("p", a paragraph on one line) and ("pre", indented lines).

    >>> pieces("One\ntwo:\n  a   b\n  c   d\nthree.\n\nFour.")
    [('p', 'One two:'), ('pre', 'a   b\nc   d'), ('p', 'three.'), ('p', 'Four.')]
    """
    found: list[tuple[str, list[str]]] = []
    for block in text.split("\n\n"):
        kind = ""
        for line in block.splitlines():
            now = "pre" if line.startswith("  ") else "p"
            if now == "pre" and not kind and found and found[-1][0] == "pre":
                found[-1][1].append("")  # columns that an empty line divides
            elif now != kind:
                found.append((now, []))
            kind = now
            found[-1][1].append(line.removeprefix("  ") if now == "pre" else line)
    glue = {"p": " ", "pre": "\n"}
    return [(kind, glue[kind].join(lines)) for kind, lines in found]


def split(every: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], ...]:
    """The pieces that are seen, and those behind a fold: a paragraph is divided between two sentences."""
    seen: list[tuple[str, str]] = []
    length = 0
    for index, (kind, text) in enumerate(every):
        if length >= OPENING:
            return _unless_short(seen, every[index:])
        sentences = [text] if kind == "pre" else SENTENCE.split(text)
        taken = 0
        while taken < len(sentences) and length < OPENING:
            length += len(sentences[taken])
            taken += 1
        seen.append((kind, _joined(text, sentences, 0, taken)))
        if taken < len(sentences):
            rest = _joined(text, sentences, taken, len(sentences))
            return _unless_short(seen, [(kind, rest), *every[index + 1 :]])
    return seen, []


def _joined(text: str, sentences: list[str], start: int, end: int) -> str:
    """Sentences start to end of a text, with what stood between them."""
    places, at = [], 0
    for sentence in sentences:
        at = text.index(sentence, at)
        places.append(at)
        at += len(sentence)
    stop = places[end] if end < len(places) else len(text)
    return text[places[start] : stop].strip()


def _unless_short(
    seen: list[tuple[str, str]], rest: list[tuple[str, str]]
) -> tuple[list[tuple[str, str]], ...]:
    if sum(len(text) for _, text in rest) >= REST:
        return seen, rest
    if seen[-1][0] == rest[0][0] == "p" and len(rest) == 1:
        return [*seen[:-1], ("p", f"{seen[-1][1]} {rest[0][1]}")], []
    return [*seen, *rest], []
