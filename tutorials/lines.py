"""Long lines of code and output: each becomes an element that wraps with a hanging indent on a narrow screen."""

import re

from tutorials.markup import NAME, PIECE, is_tag, text_of

BLOCK = re.compile(r"(<pre\b[^>]*>(?:<code\b[^>]*>)?)(.*?)((?:</code>)?</pre>)", re.DOTALL)
SHORT = 34  # characters that fit beside each other on a phone
DEEPEST = 12  # columns of indentation that a wrapped line keeps


def with_lines(body: str) -> str:
    """The body, whose blocks of text and code have an element around each line that may be too long.

    >>> with_lines("<pre>short\\n  " + 20 * "long " + "\\nshort</pre>").replace(20 * "long ", "LONG")
    '<pre>short\\n<span class="l" style="--i:2">  LONG\\n</span>short</pre>'
    """
    return BLOCK.sub(lambda found: found[1] + _lines(found[2]) + found[3], body)


def _lines(code: str) -> str:
    """A line is wrapped where no element of it goes on in the next line."""
    made, opened = [], 0
    for line in code.splitlines(keepends=True):
        depth = _depth(line)
        words = "".join(each for each in PIECE.findall(line) if not is_tag(each)).rstrip()
        whole = not opened and depth == 0
        opened += depth
        if whole and len(words) > SHORT and len(_unescaped(words)) > SHORT:
            indent = min(len(words) - len(words.lstrip(" ")), DEEPEST)
            line = f'<span class="l" style="--i:{indent}">{line}</span>'
        made.append(line)
    return "".join(made)


def _unescaped(words: str) -> str:
    return text_of(words.replace(" ", "_"))


def _depth(line: str) -> int:
    """How many elements the line opens and does not close; more than the line has, where it closes those of another."""
    depth = 0
    for piece in PIECE.findall(line):
        if NAME.match(piece) and not piece.endswith("/>"):
            depth += -1 if piece.startswith("</") else 1
    return depth
