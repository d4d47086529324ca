"""The model card that is saved beside a trained model."""

import importlib.metadata
from pathlib import Path

import yaml

from grao_ref.methods.registry import method_of
from grao_ref.settings.config import Config, settings_of

CARD = """---
library_name: transformers
tags: [grao_ref, {method}]
---

# {model}, trained by {name}

Trained with [grao_ref](https://arxiv.org/abs/2508.07750) {version}, seed {seed}, {steps} steps on `{data}`.

| mean reward on held-out prompts | |
| --- | --- |
| before training | {before:.3f} |
| the references | {reference:.3f} |
| after training | {after:.3f} |

The reward is that of the settings below. A reward that was trained on may rise while the answers get worse: read
some answers before you trust it (`python -m grao_ref.evaluate`).

{note}

## Settings

```yaml
{settings}```

Versions: {versions}.
"""


def write_card(
    folder: Path, config: Config, *, name: str, note: str, scores: tuple[float, float, float], version: str
) -> None:
    """README.md with the method, the settings, the versions and the scores before, of the references, and after."""
    before, reference, after = scores
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "transformers"))
    text = CARD.format(
        method=method_of(config.method).name,
        model=config.model_name_or_path,
        name=name,
        version=version,
        seed=config.seed,
        steps=config.max_steps,
        data=config.dataset_name,
        before=before,
        reference=reference,
        after=after,
        note=note,
        settings=yaml.safe_dump(settings_of(config), sort_keys=False),
        versions=versions,
    )
    (folder / "README.md").write_text(text)
