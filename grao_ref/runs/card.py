"""The model card that is saved beside a trained model."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

import yaml

from grao_ref.evaluation.monitor import REWARD
from grao_ref.methods.registry import method_of
from grao_ref.runs.results import MEASURES
from grao_ref.settings.config import Config, settings_of

CARD = """---
library_name: transformers
tags: [grao_ref, {method}]
---

# {model}, trained by {name}

Trained with [grao_ref](https://arxiv.org/abs/2508.07750) {version}, seed {seed}, {steps} steps on `{data}`.

{table}

{note}

## Settings

```yaml
{settings}```

Versions: {versions}.
"""


SCORED = """| mean reward on held-out prompts | |
| --- | --- |
| before training | {before:.3f} |{reference}
| after training | {after:.3f} |

The reward is that of the settings below. A reward that was trained on may rise while the answers get worse: read
some answers before you trust it (`python -m grao_ref.evaluate`)."""


def write_card(
    folder: Path,
    config: Config,
    *,
    name: str,
    note: str,
    ends: Mapping[str, tuple[float, float]],
    reference: float | None,
    version: str,
) -> None:
    """README.md with the method, the settings, the versions, and what the evaluations measured.

    ends: by measure, before and after training. reference: the references' mean reward, where there is one.
    """
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "transformers"))
    text = CARD.format(
        method=method_of(config.method).name,
        model=config.model_name_or_path,
        name=name,
        version=version,
        seed=config.seed,
        steps=config.max_steps,
        data=config.dataset_name,
        table=_table(ends, reference),
        note=note,
        settings=yaml.safe_dump(settings_of(config), sort_keys=False),
        versions=versions,
    )
    (folder / "README.md").write_text(text)


def _table(ends: Mapping[str, tuple[float, float]], reference: float | None) -> str:
    """Mean rewards; where nothing was scored, what the held-out rows were evaluated by."""
    if REWARD in ends:
        before, after = ends[REWARD]
        row = "" if reference is None else f"\n| the references | {reference:.3f} |"
        return SCORED.format(before=before, after=after, reference=row)
    rows = [f"| {MEASURES.get(name, name)} | {before:.3f} | {after:.3f} |" for name, (before, after) in ends.items()]
    return "\n".join(["| on held-out rows | before training | after training |", "| --- | --- | --- |", *rows])
