"""Columns under other names: `--column prompt=question` reads the column `question` as `prompt`."""

from collections.abc import Sequence
from dataclasses import replace

from grao_ref.data.tables import Table
from grao_ref.plugins.near import hint


def renames(column: Sequence[str]) -> dict[str, str]:
    """New name -> column, of settings `new=column`, several of which may stand in one text behind commas.

    Raises `ValueError` on a setting without a name, and on a name that is given twice.

    >>> renames(["prompt=question,completion=answer"])
    {'prompt': 'question', 'completion': 'answer'}
    """
    names: dict[str, str] = {}
    for setting in column:
        for part in setting.split(",") if setting.count("=") > 1 else [setting]:
            new, _, old = (piece.strip() for piece in part.partition("="))
            if not new or not old:
                raise ValueError(f"column is NAME=COLUMN, such as prompt=question, got {part.strip()!r}")
            if new in names:
                raise ValueError(f"column gives the name {new!r} twice: to {names[new]!r} and to {old!r}")
            names[new] = old
    return names


def renamed(table: Table, column: Sequence[str], source: str) -> Table:
    """The table with its columns under their new names; the old names are gone.

    One column may get two names (`completion=answer solution=answer`). Raises `ValueError` on a column that the table
    does not have, with the nearest, and on a new name that another column has already.
    """
    new = renames(column)
    if not new or not table.entries:
        return table
    names = list(dict.fromkeys(name for entry in table.entries for name in entry))
    for name, old in new.items():
        if old not in names:
            near = hint(old, names, f"it has {', '.join(names)}")
            raise ValueError(f"column {name}={old}: {source} has no column {old!r}; {near}")
        if name in names and name not in new.values():
            raise ValueError(
                f"column {name}={old}: {source} has a column {name!r} already; give it another name as well: "
                f"--column {name}={old} other_{name}={name}"
            )
    moved = set(new.values())
    entries = [
        {name: value for name, value in entry.items() if name not in moved}
        | {name: entry[old] for name, old in new.items() if old in entry}
        for entry in table.entries
    ]
    return replace(table, entries=entries)
