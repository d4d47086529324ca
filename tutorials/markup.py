"""HTML as tags and texts, one after the other: enough to change the texts of a page, and quick on long pages."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

WHOLE = ("script", "style")  # elements that are one piece with what is in them
TAG = re.compile(r"<[^>]*>")
NAME = re.compile(r"</?([a-zA-Z][\w-]*)")
CLASS = re.compile(r'\sclass="([^"]*)"')
VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)


@cache
def _piece(whole: tuple[str, ...]) -> re.Pattern[str]:
    single = "|".join(rf"<{name}\b.*?</{name}>" for name in whole)
    tag = r"""</?[a-zA-Z](?:[^>"']|"[^"]*"|'[^']*')*>"""
    return re.compile(rf"<!--.*?-->|{single}|{tag}|[^<]+|<", re.DOTALL)


def pieces(
    markup: str, whole: tuple[str, ...] = WHOLE
) -> Iterator[tuple[str, Counter[str]]]:
    """Each tag and each text, with how many elements of each name and each `.class` are open around it.

    Elements in `whole` are one piece, as a tag is.

    >>> [(piece, sorted(+around)) for piece, around in pieces('<p class="a">x<br>y</p>z')][1:-1:2]
    [('x', ['.a', 'p']), ('y', ['.a', 'p'])]
    """
    around: Counter[str] = Counter()
    opened: list[list[str]] = []
    for found in _piece(whole).finditer(markup):
        piece = found[0]
        name = NAME.match(piece)
        if name is None or (name[1] in whole and piece[1] != "/"):
            yield piece, around
        elif piece.startswith("</"):
            while opened and any(each[0] == name[1] for each in opened):
                labels = opened.pop()
                around.subtract(labels)
                if labels[0] == name[1]:
                    break
            yield piece, around
        else:
            yield piece, around
            if name[1] not in VOID and not piece.endswith("/>"):
                classes = CLASS.search(piece)
                of_class = classes[1].split() if classes else []
                labels = [name[1], *(f".{each}" for each in of_class)]
                opened.append(labels)
                around.update(labels)


def is_tag(piece: str) -> bool:
    """Whether it is a tag, a comment or a script, and no text."""
    return len(piece) > 1 and piece.startswith("<")


def text_of(markup: str) -> str:
    r"""The text alone, on one line.

    >>> text_of("<b>a &lt;</b>\n <!-- c --> b<script>1</script>")
    'a < b'
    """
    words = "".join(piece for piece, _ in pieces(markup) if not is_tag(piece))
    return " ".join(html.unescape(words).split())


def without(markup: str, tag: str) -> str:
    """The markup without these tags; what stands between them stays.

    >>> without('<a href="b">c</a> <abbr>d</abbr>', "a")
    'c <abbr>d</abbr>'
    """
    return re.sub(rf"</?{tag}(?=[\s>])[^>]*>", "", markup)
