"""Tables from files: JSON lines, JSON, CSV and Parquet, each row with its number in the file.

A row's number counts from 1 and is the one that other programs show:

- JSON lines: the line, blank lines counted, as an editor shows it
- JSON: the place in the list
- CSV, TSV: the row without the header; a row with line breaks in quotes counts once
- Parquet: the row

Text is UTF-8, with or without a byte order mark.
"""

import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grao_ref.data.text_files import Entry, Numbered, delimited, json_file, json_lines
from grao_ref.plugins.importing import unavailable
from grao_ref.plugins.near import hint


@dataclass(frozen=True)
class Table:
    """Rows as they stand in files, each with its number there and the file's name."""

    entries: Sequence[Entry]
    numbers: Sequence[int]
    files: Sequence[str]

    def __add__(self, other: "Table") -> "Table":
        """The rows of both, in order."""
        return Table([*self.entries, *other.entries], [*self.numbers, *other.numbers], [*self.files, *other.files])


def read_table(path: Path) -> Table:
    """The rows of a file whose suffix is known. Raises `ValueError`, with the line where there is one, on any other."""
    if not os.path.isfile(path):
        folder = [found.name for found in path.parent.glob("*")] if path.parent.is_dir() else []
        near = hint(path.name, folder, "the folder has no name like it" if folder else "its folder is missing or empty")
        raise ValueError(f"no file {path}; {near}")
    suffix = suffix_of(path.name)
    if suffix is None:
        raise ValueError(f"{path} is no file that can be read here; {_advice(path)}")
    try:
        rows = list(SUFFIXES[suffix](path))
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} can't be read: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} can't be read: {error}; save it as UTF-8") from None
    return Table([entry for _, entry in rows], [number for number, _ in rows], [str(path)] * len(rows))


def suffix_of(name: str) -> str | None:
    """The known suffix that a file's name ends in; None where it ends in no such.

    >>> suffix_of("train.jsonl.gz"), suffix_of("ROWS.CSV"), suffix_of("rows.txt")
    ('.jsonl.gz', '.csv', None)
    """
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)


def _parquet(path: Path) -> Numbered:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        needed = f"reading {path} needs the package datasets: pip install 'grao_ref[hub]'"
        raise unavailable("pyarrow", error, needed) from None
    try:
        entries = read_table(path).to_pylist()
    except ArrowException as error:
        raise ValueError(f"{path} can't be read: {' '.join(str(error).split())}") from None
    yield from enumerate(entries, start=1)


def _advice(path: Path) -> str:
    """What to do about a file of another kind."""
    if path.suffix.lower() == ".arrow":
        return "name the folder that save_to_disk wrote"
    return f"it must end in {ENDINGS}"


SUFFIXES: dict[str, Callable[[Path], Numbered]] = {
    ".jsonl": json_lines,
    ".jsonl.gz": json_lines,
    ".json": json_file,
    ".json.gz": json_file,
    ".csv": delimited,
    ".csv.gz": delimited,
    ".tsv": delimited,
    ".tsv.gz": delimited,
    ".parquet": _parquet,
}
ENDINGS = ".jsonl, .json, .csv, .tsv, one of these and .gz, or .parquet"
