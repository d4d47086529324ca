"""Tables of folders and of the hub, whose splits and configurations the package `datasets` finds.

A folder's own files are read as files are (`tables.py`), so that a row keeps its number in its file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grao_ref.data.tables import Table, read_table, suffix_of
from grao_ref.plugins.importing import unavailable
from grao_ref.plugins.near import hint

MOST = 10_000  # files and folders within a data set's folder
SAVED, SAVED_SPLITS = ("state.json", "dataset_info.json"), "dataset_dict.json"  # files that save_to_disk writes


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder from one table, which has one split."""
    return all((folder / name).is_file() for name in SAVED)


def read_folder(folder: Path, split: str, config: str | None) -> Table:
    """A split of a folder: of what `save_to_disk` wrote, or of files whose names tell the splits.

    Raises `ValueError` on a split or a configuration that does not exist, on what can't be read, and on a folder of
    more than `MOST` files and folders, such as the whole disk.
    """
    if is_saved(folder) or (folder / SAVED_SPLITS).is_file():
        if config is not None:
            raise ValueError(f"the folder {folder} was written by save_to_disk and has no config {config!r}")
        saved = _loaded("load_from_disk", str(folder), {})
        splits = {"train": saved} if is_saved(folder) else saved
        _require_split(folder, split, splits)
        return _table(splits[split], str(folder))
    _require_small(folder)
    options = {"name": config} if config else {}
    files = _loaded("load_dataset_builder", str(folder), options).config.data_files or {}
    splits = {str(name): [str(file) for file in found] for name, found in files.items()}
    if not splits or not all(suffix_of(file) and Path(file).is_file() for found in splits.values() for file in found):
        return read_hub(str(folder), split, options)
    if "[" in split or "+" in split:  # a slice of a split, which `datasets` reads
        return read_hub(str(folder), split, options)
    _require_split(folder, split, splits)
    first, *others = (read_table(Path(file)) for file in splits[split])
    return sum(others, first)


def read_hub(name: str, split: str, options: Mapping[str, str]) -> Table:
    """A split of a data set of the hub, or of a folder, as `load_dataset` reads it; rows are numbered in the split."""
    return _table(_loaded("load_dataset", name, {**options, "split": split}), name)


def _table(rows: Any, name: str) -> Table:
    try:
        entries = list(rows)
    except Exception as error:  # a decoder of images or sounds, a file of the cache
        raise ValueError(f"the rows of {name} could not be read: {' '.join(str(error).split())}") from error
    return Table(entries, range(1, len(entries) + 1), [name] * len(entries))


def _require_small(folder: Path) -> None:
    """Refuse a home folder or the whole disk before `datasets` walks through all of it."""
    found = 0
    for _, folders, files in os.walk(folder):
        found += len(folders) + len(files)
        if found > MOST:
            raise ValueError(
                f"the folder {folder} holds more than {MOST:,} files and folders, and is taken for no data set: name "
                "the folder, or the file, that has the data alone"
            )


def _require_split(folder: Path, split: str, splits: Mapping[str, Any]) -> None:
    if split not in splits:
        near = hint(split, splits, f"it has {', '.join(splits)}")
        raise ValueError(f"the folder {folder} has no split {split!r}; {near}")


def _loaded(function: str, source: str, options: Mapping[str, str]) -> Any:
    """What a function of `datasets` returns. Its error messages name the splits and configs that exist."""
    try:
        import datasets
    except ImportError as error:
        needed = f"the data set {source} needs the package datasets: pip install 'grao_ref[hub]'"
        raise unavailable("datasets", error, needed) from None
    try:
        return getattr(datasets, function)(source, **options)
    except Exception as error:  # it raises many kinds: for networks, names, splits, files
        reasons = [
            str(reason).strip().splitlines()[0] for reason in (error, error.__cause__) if str(reason or "").strip()
        ]
        raise ValueError(f"the data set {source} could not be loaded: {'; '.join(reasons)}") from error
