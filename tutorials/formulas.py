"""Formulas in LaTeX, as in any notebook, become MathML, which browsers display without a script."""

import re

from latex2mathml.converter import convert
from nbconvert.filters import markdown2html

MATH = re.compile(
    r"\$\$(?P<block>.+?)\$\$|(?<![\\\w$])\$(?P<inline>[^\s$](?:[^$]*?[^\s$\\])?)\$(?![\w$])",
    re.DOTALL,
)
# Placeholder of a formula: it has no characters that Markdown would change.
PLACE = re.compile(r"FORMULA(\d+)END")
FENCE = re.compile(r"(```.*?```|``.+?``|`[^`\n]*`)", re.DOTALL)


def words(markdown: str) -> str:
    """A title or a summary as HTML, with its formulas, without the <p> around it."""
    formulas: list[str] = []
    body = markdown2html(with_formulas(markdown, formulas)).strip()
    return set_formulas(body.removeprefix("<p>").removesuffix("</p>"), formulas)


def with_formulas(source: str, formulas: list[str]) -> str:
    """Markdown with a placeholder for each $formula$ outside code; the formulas are appended to `formulas` as MathML."""

    def mathml(match: re.Match[str]) -> str:
        block = match["block"]
        latex, display = (block or match["inline"]), "block" if block else "inline"
        formulas.append(convert(latex, display=display))
        return f"FORMULA{len(formulas) - 1}END"

    parts = FENCE.split(source)
    return "".join(
        part if index % 2 else MATH.sub(mathml, part)
        for index, part in enumerate(parts)
    )


def set_formulas(body: str, formulas: list[str]) -> str:
    """Replace each placeholder by its formula."""
    return PLACE.sub(lambda match: formulas[int(match[1])], body)
