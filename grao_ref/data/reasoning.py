"""reasoning-gym's tasks with a strict reward: 1 for the right answer inside its tags, else 0.

The library's own scorers are too lenient for a reward (version 0.1.25; every task is tested): they give partial credit,
some accept a part of the answer, one accepts anything. So the answer is first taken out of its tags, and it is right
only where the scorer gives exactly 1.0. A tolerance as small as 1e-9 would accept answers of `spell_backward` with
extra letters, which score 0.9999999999999998. Tasks that can't be used are refused by name (`REFUSED`). Some scorers
run the answer as Python code; for these, an answer with characters that it does not need is wrong and never run
(`LETTERS`).
"""

import contextlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from grao_ref.data.rows import Row, Rows
from grao_ref.plugins.importing import unavailable
from grao_ref.plugins.near import hint
from grao_ref.text.messages import Message, Prompt, answer_text

INSTRUCTION = "Give your final answer between <answer> and </answer> tags."
SIZE = 500  # rows of a split where the config sets no size
SEEDS = {"train": 0, "test": 1_000_000}  # item i has the seed + i; the seeds are further apart than a split is long

_NO_GOLD = "it has no gold answer, so there is no reference y"
_CODE = "its scorer runs the answer as Python code"
REFUSED = {
    **dict.fromkeys(("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"), _NO_GOLD),
    **dict.fromkeys(("intermediate_integration", "polynomial_multiplication", "simple_integration"), _CODE),
    "composite": "it is a mixture of other tasks; name one of them",
    "game_of_life_halting": "its scorer gives full marks to any words at all",
    "puzzle24": "its scorer takes any four numbers that make 24, whatever the question",
}
LETTERS = {  # tasks whose scorers evaluate answers -> the answers that are safe to give them
    "binary_matrix": re.compile(r"[0-9\s]*"),
    "countdown": re.compile(r"(?!.*\*\s*\*)[0-9+\-*/()\s]{1,200}", re.DOTALL),
    "n_queens": re.compile(r"[Q_\s]*"),
    "spiral_matrix": re.compile(r"[0-9\s]*"),
    "string_insertion": re.compile(r"[A-Z]*"),
}


def reasoning_rows(task: str, *, split: str = "train", config: str | None = None) -> Rows:
    """The rows of a split, `train` or `test`, each with the columns that `score` needs.

    `config` holds settings of the task, `size=200,max_terms=3`. A row is left out and named in `skipped` where its gold
    answer does not earn 1 and, in `test`, where its question is in `train`. Raises `ValueError` on an unknown or
    refused task, an unknown split or setting, and where no row is left.
    """
    if split not in SEEDS:
        raise ValueError(f"reasoning-gym:{task} has the splits {', '.join(SEEDS)}; there is no split {split!r}")
    entries, skipped, rows = _entries(task, config, split), [], []
    seen = {entry["question"] for entry in _entries(task, config, "train")} if split == "test" else set()
    for number, entry in enumerate(entries, start=1):
        prompt: Prompt = [{"role": "user", "content": f"{entry['question'].strip()}\n\n{INSTRUCTION}"}]
        reference = f"<answer>{entry['answer']}</answer>"
        row = Row(prompt, reference, None, {"task": task, "task_config": config, "entry": entry}, number)
        if not _is_right(reference, task, config, entry):
            skipped.append(f"row {number}: its gold answer does not earn 1")
        elif entry["question"] in seen:
            skipped.append(f"row {number}: its question is in the split train")
        else:
            rows.append(row)
    if not rows:
        raise ValueError(f"reasoning-gym:{task} has no row that can be used in the split {split}; {skipped[0]}")
    return Rows(rows, skipped)


def score(
    completions: Sequence[str | list[Message]],
    task: Sequence[str],
    task_config: Sequence[str | None],
    entry: Sequence[dict[str, Any]],
    **others: Any,
) -> list[float]:
    """Reward function: 1 for the right answer in the last `<answer>` tags of a completion, else 0."""
    rows = zip(completions, task, task_config, entry, strict=True)
    return [float(_is_right(answer_text(words), name, settings, item)) for words, name, settings, item in rows]


def _is_right(text: str, task: str, config: str | None, entry: dict[str, Any]) -> bool:
    from reasoning_gym.utils import extract_answer

    answer = extract_answer(text)
    if answer is None or (task in LETTERS and not LETTERS[task].fullmatch(answer)):
        return False
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # one scorer prints
            return bool(_scorer(task, config)(answer, entry) == 1.0)
    except Exception:  # scorers may fail on garbage, and an answer that makes one fail is wrong
        return False


@cache
def _scorer(task: str, config: str | None) -> Callable[[str, dict[str, Any]], float]:
    scorer: Callable[[str, dict[str, Any]], float] = _dataset(task, config, seed=0).score_answer
    return scorer


def _entries(task: str, config: str | None, split: str) -> list[dict[str, Any]]:
    return list(_dataset(task, config, seed=SEEDS[split]))


def _dataset(task: str, config: str | None, *, seed: int) -> Any:
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError as error:
        needed = "reasoning-gym is not installed here: pip install 'grao_ref[reasoning]'"
        raise unavailable("reasoning_gym", error, needed) from None
    if task in REFUSED:
        raise ValueError(f"reasoning-gym:{task} can't be trained on: {REFUSED[task]}")
    if task not in DATASETS:
        examples = "it has chain_sum, spell_backward, countdown and others, listed in reasoning_gym.factory.DATASETS"
        near = hint(task, sorted(set(DATASETS) - set(REFUSED)), examples)
        raise ValueError(f"reasoning-gym has no task {task!r}; {near}")
    settings = {"size": SIZE, **_settings(config)}
    known = [field.name for field in fields(DATASETS[task][1]) if field.name != "seed"]
    for name in settings:
        if name not in known:
            raise ValueError(
                f"reasoning-gym:{task} has no setting {name!r}; {hint(name, known, 'it has ' + ', '.join(known))}"
            )
    size = settings["size"]
    if not isinstance(size, int) or not 1 <= size <= SEEDS["test"]:
        raise ValueError(f"size must be a whole number from 1 to {SEEDS['test']}, got {size!r}")
    try:
        return create_dataset(task, seed=seed, **settings)
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"reasoning-gym:{task} refuses the config {config!r}: {error}") from None


def _settings(config: str | None) -> dict[str, Any]:
    settings = {}
    for part in config.split(",") if config else ():
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise ValueError(f"a config of reasoning-gym is NAME=VALUE,NAME=VALUE, got {config!r}")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings
