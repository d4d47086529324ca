"""Data sets by name: a file, a folder, an id on the Hugging Face hub, or one of the short names."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from grao_ref.data.near import hint
from grao_ref.data.rows import Rows, rows_of

SUFFIXES = (".jsonl", ".jsonl.gz", ".json")
HUB: dict[str, tuple[str, dict[str, str]]] = {  # short name -> id on the hub, what is asked of it
    "hh-harmless": ("Anthropic/hh-rlhf", {"data_dir": "harmless-base"}),
    "hh-helpful": ("Anthropic/hh-rlhf", {"data_dir": "helpful-base"}),
    "gsm8k": ("openai/gsm8k", {"name": "main"}),
}
REASONING = "reasoning-gym:"
KNOWN = f"{', '.join(HUB)}, {REASONING}TASK, a file ({', '.join(SUFFIXES)}), a folder or an OWNER/NAME on the hub"


def load_rows(name: str, *, split: str = "train", config: str | None = None) -> Rows:
    """The rows of a data set; a file is one split, `train`.

    `config` is that of a hub data set. Raises `ValueError` on a name that leads nowhere (with the nearest), on a split
    or config that does not exist, and on whatever `rows_of` refuses.
    """
    if name.endswith(SUFFIXES):
        return rows_of(_table(Path(name).expanduser(), split, config), name)
    if name in HUB or Path(name).expanduser().is_dir():
        raise ValueError("not yet")
    if "/" in name:
        raise ValueError("not yet")
    raise ValueError(f"no data set {name!r}; {hint(name, [*HUB, REASONING + 'TASK'], f'known are {KNOWN}')}")


def _table(path: Path, split: str, config: str | None) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        folder = [found.name for found in path.parent.glob("*")] if path.parent.is_dir() else []
        near = hint(path.name, folder, "the folder has no name like it" if folder else "its folder is missing or empty")
        raise ValueError(f"no file {path}; {near}")
    if split != "train" or config is not None:
        asked = f"split {split!r}" if split != "train" else f"config {config!r}"
        raise ValueError(f"{path} is one file and has the split 'train' alone; there is no {asked}")
    return _entries(path) if path.suffix == ".json" else _lines(path)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opening: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    try:
        with opening(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _entry(_parse(line, f"{path}, line {number}"), f"{path}, line {number}")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None
    entries = _parse(text, str(path))
    if not isinstance(entries, list):
        raise ValueError(f"{path} must hold a list of objects, got {type(entries).__name__}")
    for number, entry in enumerate(entries, start=1):
        yield _entry(entry, f"{path}, entry {number}")


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = "" if "line" in place.rpartition(", ")[2] else f", line {error.lineno}"
        raise ValueError(f"{place}{line}: broken JSON ({error.msg} at column {error.colno})") from None


def _entry(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: a row must be an object, got {type(value).__name__}")
    return value
