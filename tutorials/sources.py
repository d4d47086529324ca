"""What the site is made of: percent scripts (tutorials) and Markdown files (pages), as notebooks."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).parent
# A block that is run; `python table` is run and folded. One with another word after `python` is shown only.
BLOCK = re.compile(r"^```python( table)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PLACE = re.compile(r"Cell In\[(\d+)\], line (\d+)")


@dataclass(frozen=True)
class Source:
    """A tutorial or a page, with its title and the first paragraph below it (a page may have none)."""

    path: Path
    title: str
    summary: str

    @property
    def name(self) -> str:
        """01_one_group_by_hand."""
        return self.path.stem

    @property
    def is_page(self) -> bool:
        """Whether it is a page; a tutorial is a script."""
        return self.path.suffix == ".md"

    @property
    def number(self) -> int:
        """A tutorial's number."""
        return int(self.name[:2])

    @property
    def label(self) -> str:
        """What `--only` calls it: a tutorial's number, a page's name."""
        return self.name if self.is_page else str(self.number)


def tutorials(folder: Path = HERE) -> list[Source]:
    """Every script whose name begins with a number, in order. Raises `ValueError` if one has no title."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))]


def pages(folder: Path = HERE) -> list[Source]:
    """Every Markdown file in `pages/`, by name. Raises `ValueError` if one has no title."""
    return [read(path) for path in sorted((folder / "pages").glob("*.md"))]


def read(path: Path) -> Source:
    """Title and summary. Raises `ValueError` where they are not what the file begins with."""
    first = notebook_of(path).cells[:1]
    text = first[0].source if first and first[0].cell_type == "markdown" else ""
    title = re.match(r"# ([^\n]+)(?:\n\n(?![#`])(.+?))?(?:\n\n|\Z)", text, re.DOTALL)
    if path.suffix == ".md" and title is None:
        raise ValueError(f"{path} must begin with a line '# Title' and an empty line")
    if title is None or (path.suffix == ".py" and not title[2]):
        raise ValueError(
            f"{path} must begin with a markdown cell: '# Title', an empty line, and a paragraph"
        )
    return Source(path, title[1], (title[2] or "").replace("\n", " "))


def notebook_of(path: Path) -> Any:
    """The notebook that a script or a page is, before it is run. Of a page, each block ```python is a cell."""
    if path.suffix == ".py":
        return jupytext.read(path, fmt="py:percent")
    text, notebook, end = path.read_text(), nbformat.v4.new_notebook(), 0
    for block in BLOCK.finditer(text):
        _add_words(notebook, text[end : block.start()])
        about: dict[str, Any] = {"line": text.count("\n", 0, block.start(2)) + 1}
        about |= {"tags": ["table"]} if block[1] else {}
        code = nbformat.v4.new_code_cell(block[2].rstrip(), metadata=about)
        notebook.cells.append(code)
        end = block.end()
    _add_words(notebook, text[end:])
    return notebook


def plain(error: Exception) -> str:
    """The text of a failed cell's error, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))


def place_of(error: Exception, source: Source) -> str:
    """Where a page failed, as ` in FILE, line N`; empty if the error has no line, and for tutorials."""
    found = PLACE.search(plain(error))
    if not source.is_page or found is None:
        return ""
    cells = [c for c in notebook_of(source.path).cells if c.cell_type == "code"]
    line = cells[int(found[1]) - 1].metadata["line"] + int(found[2]) - 1
    return f" in {source.path}, line {line}"


def _add_words(notebook: Any, text: str) -> None:
    if text.strip():
        notebook.cells.append(nbformat.v4.new_markdown_cell(text.strip()))
