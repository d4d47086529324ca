"""HTML as tags and texts, one after the other: enough to change the texts of a page, and quick on long pages."""

import html
import re
from collections import Counter
from collections.abc import Iterator

PIECE = re.compile(
    r"<!--.*?-->|<(?:script|style)\b.*?</(?:script|style)>"
    r"""|</?[a-zA-Z](?:[^>"']|"[^"]*"|'[^']*')*>|[^<]+|<""",
    re.DOTALL,
)
NAME = re.compile(r"</?([a-zA-Z][\w-]*)")
CLASS = re.compile(r'\sclass="([^"]*)"')
VOID = frozenset("area base br col hr img input link meta source track wbr".split())


def pieces(markup: str) -> Iterator[tuple[str, Counter[str]]]:
    """Each tag and each text, with how many elements of each name and each `.class` are open around it.

    >>> [(piece, sorted(+around)) for piece, around in pieces('<p class="a">x<br>y</p>z')][1:-1:2]
    [('x', ['.a', 'p']), ('y', ['.a', 'p'])]
    """
    around: Counter[str] = Counter()
    opened: list[list[str]] = []
    for found in PIECE.finditer(markup):
        piece = found[0]
        name = NAME.match(piece)
        if name is None or piece.startswith(("<script", "<style")):
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
    """The text alone, on one line.

    >>> text_of("<b>a &lt;</b>\\n <!-- c --> b<script>1</script>")
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
