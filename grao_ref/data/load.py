"""Data sets by name: a file, a folder, an id on the Hugging Face hub, or one of the short names."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from grao_ref.data.reasoning import reasoning_rows
from grao_ref.data.rows import Rows, rows_of
from grao_ref.data.sorting import sorting_rows
from grao_ref.plugins.near import hint

SUFFIXES = (".jsonl", ".jsonl.gz", ".json")
HUB: dict[str, tuple[str, dict[str, str]]] = {  # short name -> id on the hub, arguments of load_dataset
    "hh-harmless": ("Anthropic/hh-rlhf", {"data_dir": "harmless-base"}),
    "hh-helpful": ("Anthropic/hh-rlhf", {"data_dir": "helpful-base"}),
    "gsm8k": ("openai/gsm8k", {"name": "main"}),
}
SORTING, REASONING = "sorting", "reasoning-gym"
OWN_RULES = {SORTING: "sorting", "gsm8k": "final_number", REASONING: "reasoning_gym"}  # data set -> reward function
KNOWN = (
    f"{SORTING}, {', '.join(HUB)}, {REASONING}:TASK, a file ({', '.join(SUFFIXES)}), a folder, an OWNER/NAME on the hub"
)


def load_rows(name: str, *, split: str = "train", config: str | None = None) -> Rows:
    """The rows of a data set. Their attribute `skipped` lists the rows that were left out.

    A short name means that data set even where a folder has the same name. A file has one split, `train`. `config` is
    that of a hub data set or of a reasoning-gym task. Raises `ValueError` on an unknown name (with the nearest known
    one), a split or config that does not exist, an extra that is not installed, and whatever `rows_of` refuses.
    """
    path, (owner, colon, task) = Path(name).expanduser(), name.partition(":")
    if name == SORTING:
        return sorting_rows(split=split, config=config)
    if name in HUB:
        hub_id, options = HUB[name]
        return _from_hub(hub_id, split, options | ({"name": config} if config else {}))
    if owner == REASONING:
        return reasoning_rows(task, split=split, config=config)
    if name.endswith(SUFFIXES):
        return rows_of(_table(path, split, config), name)
    if path.is_file():
        raise ValueError(f"{name} is no file that can be read here; it must end in {', '.join(SUFFIXES)}")
    if (name and path.is_dir()) or (name.count("/") == 1 and name[0] not in "./~"):
        return _from_hub(str(path), split, {"name": config} if config else {})
    meant = owner + ":TASK" if colon else name
    raise ValueError(f"no data set {name!r}; {hint(meant, [SORTING, *HUB, REASONING + ':TASK'], f'known are {KNOWN}')}")


def own_rule(dataset_name: str) -> str | None:
    """The name of the reward function that scores a data set where the user names none; None where it has none.

    >>> own_rule("reasoning-gym:gcd"), own_rule("hh-harmless")
    ('reasoning_gym', None)
    """
    return OWN_RULES.get(dataset_name.partition(":")[0])


def _from_hub(name: str, split: str, options: dict[str, str]) -> Rows:
    """Loads through `datasets`, whose error messages name the splits and configs that exist."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise ValueError(f"the data set {name} needs the package datasets: pip install 'grao_ref[hub]'") from None
    try:
        table = load_dataset(name, split=split, **options)
    except Exception as error:  # it raises many kinds: for networks, names, splits, files
        reasons = [
            str(reason).strip().splitlines()[0] for reason in (error, error.__cause__) if str(reason or "").strip()
        ]
        raise ValueError(f"the data set {name} could not be loaded: {'; '.join(reasons)}") from error
    return rows_of(table, name)


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
                    yield _entry(_parse(line.rstrip(), path, number), f"{path}, line {number}")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"{path} can't be read: {error}") from None


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read: {error}") from None
    entries = _parse(text, path)
    if not isinstance(entries, list):
        raise ValueError(f"{path} must hold a list of objects, got {type(entries).__name__}")
    for number, entry in enumerate(entries, start=1):
        yield _entry(entry, f"{path}, entry {number}")


def _parse(text: str, path: Path, line: int = 1) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{path}, line {line + error.lineno - 1}"
        raise ValueError(f"{place}: broken JSON ({error.msg}, column {error.colno})") from None


def _entry(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: a row must be an object, got {type(value).__name__}")
    return value
