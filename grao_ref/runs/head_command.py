"""`python -m grao_ref.reward_head`, once its flags are read: pairs -> features -> a fitted head and its accuracy."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from grao_ref.data.examples import Example, Limits, encode, select
from grao_ref.data.load import load_rows
from grao_ref.data.rows import split_by_prompt
from grao_ref.plugins.blame import blame
from grao_ref.plugins.quiet import held_back
from grao_ref.policies.load import embedding_rows, load_language_model
from grao_ref.rewards.features import answer_features, require_features
from grao_ref.rewards.fit import Array, accuracy, choose_l2, fit_head
from grao_ref.rewards.model import DESCRIPTION, Head
from grao_ref.runs.folder import require_writable
from grao_ref.runs.progress import on_terminal
from grao_ref.settings.flags import quiet_libraries
from grao_ref.settings.head import HeadSettings
from grao_ref.text.encoding import Encoder, context_of
from grao_ref.text.messages import Prompt
from grao_ref.training.machine import choose_device, require_one_process


def run(settings: HeadSettings) -> int:
    """Train the head, save it, and print its accuracy; the exit code."""
    quiet_libraries()
    require_one_process("reward_head works")
    console = Console()
    head = train_head(settings, console)
    head.save(settings.output_dir)
    console.print(_table(head.about))
    console.print(f"The head: {settings.output_dir}", soft_wrap=True)
    return 0


def train_head(settings: HeadSettings, console: Console) -> Head:
    """Data, features, fit and metrics."""
    require_writable(settings.output_dir)
    if (settings.output_dir / DESCRIPTION).exists():
        raise ValueError(f"output_dir {str(settings.output_dir)!r} holds a head already; name another folder")
    device = choose_device(settings.device)
    with held_back(), blame(f"dataset_name {settings.dataset_name!r}: reading it raised", ours=True):
        rows = load_rows(
            settings.dataset_name,
            split=settings.dataset_train_split,
            config=settings.dataset_config,
            column=settings.column,
        )
    if all(row.rejected is None for row in rows):  # before the model is loaded
        raise ValueError(
            f"the data set {settings.dataset_name!r} has no rejected answers, and a head is fitted to pairs"
        )
    for row in rows:
        if row.rejected is None:
            raise ValueError(f"row {row.number} has no rejected answer, and a head is fitted to pairs")
    with held_back(), blame(f"model_name_or_path {settings.model_name_or_path!r}: loading it raised", ours=True):
        model, tokenizer = load_language_model(settings.model_name_or_path, device=device)
    require_features(model)
    encoder = Encoder(tokenizer, rows=embedding_rows(model))
    limits = Limits(
        prompt=settings.max_prompt_length,
        completion=settings.max_completion_length,
        together=min(settings.max_length or sys.maxsize, context_of(model, tokenizer)),
    )
    examples, counts = select(encode(rows, encoder, closed=False), limits, distinct=True)
    counts = {"pairs": len(rows), "left out by the loader": len(rows.skipped)} | counts
    console.print(", ".join(f"{reason}: {count}" for reason, count in counts.items()), soft_wrap=True)
    train, test = split_by_prompt([e.row for e in examples], share=settings.held_out, seed=settings.seed)
    if not train or not test:
        raise ValueError(f"too few pairs to hold some out: {len(train)} to train on and {len(test)} held out")
    held_out = {_key(row.prompt) for row in test}
    examples.sort(key=lambda example: _key(example.row.prompt) in held_out)  # stable: the training pairs first
    pairs = [(e.prompt, e.reference) for e in examples] + [(e.prompt, e.rejected or []) for e in examples]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not on_terminal(console)) as progress:
        bar = progress.add_task("answers", total=len(pairs))
        features = answer_features(
            model, pairs, batch_size=settings.per_device_eval_batch_size, done=lambda n: progress.advance(bar, n)
        )
    both = features.double().numpy().reshape(2, len(examples), -1)
    return _fit(settings, both, examples, len(train), counts)


def _fit(
    settings: HeadSettings, features: Array, examples: Sequence[Example], count: int, counts: dict[str, int]
) -> Head:
    """The head, fitted to the first `count` examples and measured on the others."""
    chosen, rejected = features
    prompts = [_key(example.row.prompt) for example in examples]
    l2 = settings.l2 or choose_l2(chosen[:count], rejected[:count], prompts[:count], seed=settings.seed)
    weights, bias = fit_head(chosen[:count], rejected[:count], l2=l2)
    scores = features @ weights + bias
    lengths = np.array([[len(e.reference) for e in examples], [len(e.rejected or []) for e in examples]], dtype=float)
    margins, longer = scores[0] - scores[1], lengths[0] - lengths[1]
    about: dict[str, Any] = {
        "model_name_or_path": _lasting(settings.model_name_or_path),
        "dataset_name": settings.dataset_name,
        "settings": {name: str(v) if isinstance(v, Path) else v for name, v in asdict(settings).items()},
        "pairs": counts,
        "l2": l2,
        "held_out": asdict(accuracy(margins[count:])),
        "training": asdict(accuracy(margins[:count])),
        "longer_answer_wins": asdict(accuracy(longer[count:])),
        "correlation_with_length": _correlation(scores[:, count:].ravel(), lengths[:, count:].ravel()),
        "mean_score": {
            "training": {"chosen": scores[0, :count].mean(), "rejected": scores[1, :count].mean()},
            "held_out": {"chosen": scores[0, count:].mean(), "rejected": scores[1, count:].mean()},
        },
    }
    return Head(torch.tensor(weights, dtype=torch.float32), bias, about)


def _table(about: dict[str, Any]) -> Table:
    table = Table("scored by", "accuracy (chosen above rejected)", "95 % interval", "pairs")
    names = {
        "the head, on held-out prompts": "held_out",
        "the longer answer, on the same": "longer_answer_wins",
        "the head, on its training pairs": "training",
    }
    for name, key in names.items():
        row = about[key]
        table.add_row(name, f"{row['mean']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}", str(row["pairs"]))
    table.caption = (
        f"l2 {about['l2']:g}; correlation of the score with length on held-out answers "
        f"{about['correlation_with_length'] or 0.0:+.2f}; scores have mean 0 and deviation 1 over the training answers"
    )
    return table


def _key(prompt: Prompt) -> str:
    return json.dumps(prompt)


def _lasting(name: str) -> str:
    """The name of a model, or the full path of a folder, which has to be found from anywhere."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def _correlation(x: Array, y: Array) -> float | None:
    """Pearson's; None where one of them does not vary."""
    return float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else None
