"""Data sets by name: a file, a folder, an id on the Hugging Face hub, or one of the short names."""

import os
from collections.abc import Sequence
from pathlib import Path

from grao_ref.data.folders import is_saved, read_folder, read_hub
from grao_ref.data.reasoning import reasoning_rows
from grao_ref.data.rows import Rows, rows_of
from grao_ref.data.sorting import sorting_rows
from grao_ref.data.tables import ENDINGS, read_table, suffix_of
from grao_ref.plugins.near import hint

HUB: dict[str, tuple[str, dict[str, str]]] = {  # short name -> id on the hub, arguments of load_dataset
    "hh-harmless": ("Anthropic/hh-rlhf", {"data_dir": "harmless-base"}),
    "hh-helpful": ("Anthropic/hh-rlhf", {"data_dir": "helpful-base"}),
    "gsm8k": ("openai/gsm8k", {"name": "main"}),
}
SORTING, REASONING = "sorting", "reasoning-gym"
OWN_RULES = {SORTING: "sorting", "gsm8k": "final_number", REASONING: "reasoning_gym"}  # data set -> reward function
KNOWN = (
    f"{SORTING}, {', '.join(HUB)}, {REASONING}:TASK, a folder, an OWNER/NAME on the hub, "
    f"or a file that ends in {ENDINGS}"
)


def load_rows(name: str, *, split: str = "train", config: str | None = None, column: Sequence[str] = ()) -> Rows:
    """The rows of a data set. Their attribute `skipped` lists the rows that were left out.

    A short name means that data set even where a folder has the same name. A file has one split, `train`. `config` is
    that of a hub data set or of a reasoning-gym task. `column` gives columns other names (`columns.py`). Raises
    `ValueError` on an unknown name (with the nearest known one), a split or config that does not exist, an extra that
    is not installed, and whatever `read_table` and `rows_of` refuse.
    """
    path, (owner, colon, task) = Path(os.path.expanduser(name)), name.partition(":")
    if column and (name == SORTING or owner == REASONING):
        raise ValueError(f"column gives the columns of a table other names, and {name} is made here and has no table")
    if name == SORTING:
        return sorting_rows(split=split, config=config)
    if owner == REASONING:
        return reasoning_rows(task, split=split, config=config)
    if name in HUB:
        hub_id, options = HUB[name]
        table = read_hub(hub_id, split, options | ({"name": config} if config else {}))
    elif name and os.path.isdir(path):  # of a name that is too long, Path.is_dir raises
        table = read_folder(path, split, config)
    elif suffix_of(name) or os.path.isfile(path):
        _require_one_split(path, split, config)
        table = read_table(path)
    elif name.count("/") == 1 and name[0] not in "./~":
        table = read_hub(name, split, {"name": config} if config else {})
    else:
        meant = owner + ":TASK" if colon else name
        known = [SORTING, *HUB, REASONING + ":TASK"]
        raise ValueError(f"no data set {name!r}; {hint(meant, known, f'known are {KNOWN}')}")
    return rows_of(table, name, column=column)


def splits_of(name: str) -> str:
    """The split that a data set has where the user names none: `train`, or `test` where it may have several.

    >>> splits_of("held_out.jsonl"), splits_of("openai/gsm8k")
    ('train', 'test')
    """
    path = Path(os.path.expanduser(name))
    alone = name == SORTING or os.path.isfile(path) or suffix_of(name) or is_saved(path)
    return "train" if alone else "test"


def own_rule(dataset_name: str) -> str | None:
    """The name of the reward function that scores a data set where the user names none; None where it has none.

    >>> own_rule("reasoning-gym:gcd"), own_rule("hh-harmless")
    ('reasoning_gym', None)
    """
    return OWN_RULES.get(dataset_name.partition(":")[0])


def _require_one_split(path: Path, split: str, config: str | None) -> None:
    if os.path.isfile(path) and (split != "train" or config is not None):
        asked = f"split {split!r}" if split != "train" else f"config {config!r}"
        raise ValueError(f"{path} is one file and has the split 'train' alone; there is no {asked}")
