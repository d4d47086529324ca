"""A docstring, a signature and lines of code as Markdown and HTML."""

import html
import re
from collections.abc import Set

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonConsoleLexer, PythonLexer

from tutorials.api import Entry

# A line that begins a part of a docstring, and one about an argument or a field.
PART = re.compile(r"(Returns?|Raises?|Departures?|Arguments?|Differentiable)\b")
PYTHON, CONSOLE, BARE = PythonLexer(), PythonConsoleLexer(), HtmlFormatter(nowrap=True)
COLUMNS = re.compile(r"\S {3,}\S")  # words in columns, as they stand in the source
ITEM = re.compile(r"([a-z_]\w*(?:, [a-z_]\w*)*): ")


def parts(docstring: str, names: Set[str] = frozenset()) -> str:
    r"""A docstring as Markdown: its parts are paragraphs, what is said of `names` is a list, and examples are code.

    >>> parts("A sum.\nReturns a number.\n\n>>> 1 + 1\n2").split("\n")
    ['A sum.', '', 'Returns a number.', '', '```pycon', '>>> 1 + 1', '2', '```']
    """
    return "\n\n".join(_part(block, names) for block in docstring.split("\n\n"))


def _part(block: str, names: Set[str]) -> str:
    """What stands between two empty lines."""
    if COLUMNS.search(block) and not block.startswith((">>>", "|", "    ")):
        return f"```text\n{block}\n```"
    lines: list[str] = []
    item = False
    for line in (every := block.splitlines()):
        if line.startswith(">>>"):
            rest = every[len([each for each in lines if each]) :]
            return "\n".join([*lines, "", "```pycon", *rest, "```"]).lstrip("\n")
        about = ITEM.match(line)
        if about and not set(about[1].split(", ")) <= names:
            about = None
        if lines and (PART.match(line) or (about and not item)):
            lines.append("")
        if about:
            listed = ", ".join(f"`{name}`" for name in about[1].split(", "))
            line = f"- {listed}: {line[about.end() :]}"
        item = bool(about) or (item and line.startswith(" "))
        lines.append(line)
    return "\n".join(lines)


def folded(entry: Entry) -> str:
    """The lines of a function, to be unfolded."""
    if not entry.code:
        return ""
    return f'<details><summary>code</summary><div class="highlight"><pre>{python(entry.code)}</pre></div></details>'


def python(code: str) -> str:
    """Python, highlighted, without a box around it."""
    return str(highlight(code, PYTHON, BARE)).rstrip("\n")


def block(code: str, kind: str) -> str:
    """An example with its result, highlighted; words in columns as they are."""
    if kind != "pycon":
        return f'<pre class="highlight">{html.escape(code)}</pre>'
    lines = highlight(code, CONSOLE, BARE)
    return f'<pre class="highlight">{lines}</pre>'
