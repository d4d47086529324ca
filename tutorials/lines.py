"""Long lines of code and output: each becomes an element that wraps with a hanging indent on a narrow screen."""

import html
import re

from tutorials.markup import TAG

BLOCK = re.compile(
    r"(<pre\b[^>]*>(?:<code\b[^>]*>)?)(.*?)((?:</code>)?</pre>)", re.DOTALL
)
OPENS = re.compile(r"<[a-zA-Z]")
SHORT = 34  # characters that fit beside each other on a phone
DEEPEST = 12  # columns of indentation that a wrapped line keeps


def with_lines(body: str) -> str:
    r"""The body, whose blocks of text and code have an element around each line that may be too long.

    >>> with_lines("<pre>short\n  " + 20 * "long " + "\nshort</pre>").replace(20 * "long ", "LONG")
    '<pre>short\n<span class="l" style="--i:2">  LONG\n</span>short</pre>'
    """
    return BLOCK.sub(lambda found: found[1] + _lines(found[2]) + found[3], body)


def _lines(code: str) -> str:
    """A line is wrapped where no element of it goes on in the next line."""
    made, opened = [], 0
    for line in code.splitlines(keepends=True):
        depth = len(OPENS.findall(line)) - line.count("</")
        words = html.unescape(TAG.sub("", line)).rstrip()
        if not opened and depth == 0 and len(words) > SHORT:
            indent = min(len(words) - len(words.lstrip(" ")), DEEPEST)
            line = f'<span class="l" style="--i:{indent}">{line}</span>'
        opened += depth
        made.append(line)
    return "".join(made)
