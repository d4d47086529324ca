"""The first part of tutorial 3: the cells that stand on their own, as text and as a namespace of functions."""

import ast
import io
import re
import tokenize
from typing import Any

from tutorials.sources import HERE

SCRIPT = HERE / "03_grao_from_scratch.py"
CELL = re.compile(r"^# %%.*$\n", re.MULTILINE)


def text() -> str:
    """The cells with the tag `scratch`, in their order."""
    whole = SCRIPT.read_text()
    heads = list(CELL.finditer(whole))
    ends = [head.start() for head in heads[1:]] + [len(whole)]
    tagged = [
        whole[head.end() : end] for head, end in zip(heads, ends, strict=True) if 'tags=["scratch"]' in head.group()
    ]
    return "".join(tagged)


def lines_of_code(source: str) -> int:
    """Lines with anything but comments and docstrings on them."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    found = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            found |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.Module) and ast.get_docstring(node) is not None:
            written = node.body[0]
            found -= set(range(written.lineno, (written.end_lineno or written.lineno) + 1))
    return len(found)


def names() -> set[str]:
    """Of its functions."""
    return {node.name for node in ast.parse(text()).body if isinstance(node, ast.FunctionDef)}


def functions(change: tuple[str, str] | None = None) -> dict[str, Any]:
    """The names that its imports, constants and functions define: its training loop is not run.

    change: a text in it and another that replaces it, to plant a bug. Raises `ValueError` if it is not there once.
    """
    source = text()
    if change is not None:
        if source.count(change[0]) != 1:
            raise ValueError(f"{change[0]!r} stands there {source.count(change[0])} times")
        source = source.replace(*change)
    tree = ast.parse(source)
    kept = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    constants = [n for n in tree.body if isinstance(n, ast.Assign) and "Call" not in ast.dump(n.value)]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(kept + constants, []), str(SCRIPT), "exec"), names)
    return names
