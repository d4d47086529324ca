"""The model card that is saved beside a trained model, and uploaded with it.

What is not known is left out. A path of this machine is no id of the hub: it stands in no field that the hub reads, and
the text has its last name alone.
"""

import importlib.metadata
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from grao_ref.data.load import HUB
from grao_ref.data.tables import suffix_of
from grao_ref.evaluation.monitor import REWARD
from grao_ref.methods.registry import method_of
from grao_ref.plugins.secrets import redacted
from grao_ref.policies.adapters import adapter_settings, base_of
from grao_ref.policies.load import EMBEDDED
from grao_ref.runs.results import measure_of
from grao_ref.settings.config import Config, settings_of

TEXT = """# {model}, trained by {name}

Trained with [grao_ref](https://arxiv.org/abs/2508.07750) {version}, seed {seed}, {steps} steps on `{data}`.{start}

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
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"  # which the package that smollm2 comes from has in 4 bits
MADE_HERE = (*EMBEDDED, "tabular")
# Settings about this machine and this user, which change nothing about the model.
PRIVATE = {"output_dir", "overwrite_output_dir", "resume_from_checkpoint", "run_name", "judge_base_url", "judge_cache"}


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
    settings = {key: shown(value) for key, value in settings_of(config).items() if key not in PRIVATE}
    text = TEXT.format(
        model=shown(config.model_name_or_path),
        name=name,
        version=version,
        seed=config.seed,
        steps=config.max_steps,
        data=shown(config.dataset_name),
        start=_start(config),
        table=_table(ends, reference),
        note=note,
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
        versions=versions,
    )
    data = _metadata(config, adapter=(folder / "adapter_config.json").exists(), ends=ends)
    ModelCard(redacted(f"---\n{data.to_yaml()}\n---\n\n{text}")).save(folder / "README.md")


def data_id(name: str) -> str | None:
    """The id on the hub of a data set; None for what is on this machine or made here.

    >>> data_id("gsm8k"), data_id("Anthropic/hh-rlhf"), data_id("sorting"), data_id("data/rows.jsonl")
    ('openai/gsm8k', 'Anthropic/hh-rlhf', None, None)
    """
    if name in HUB:
        return HUB[name][0]
    elsewhere = name.count("/") == 1 and ":" not in name and not suffix_of(name)
    return name if elsewhere and not _is_here(name) else None


def base_id(config: Config) -> str | None:
    """The id on the hub of the model whose weights were trained; of an adapter, its base's."""
    name = config.model_name_or_path
    if name not in MADE_HERE and (adapter := adapter_settings(name)) is not None:
        name = base_of(name, adapter)
    return SMOLLM2 if name == "smollm2" else None if name in MADE_HERE or _is_here(name) else name


def _is_here(name: str) -> bool:
    return Path(name).expanduser().exists() or name[:1] in ("/", ".", "~")


def shown(value: Any) -> Any:
    """A setting as others may read it: of a path that leads out of the current folder, the last name alone.

    >>> shown("/home/alice/rows.jsonl"), shown("data/rows.jsonl"), shown(["../m", 3])
    ('rows.jsonl', 'data/rows.jsonl', ['m', 3])
    """
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    if isinstance(value, str) and "\n" not in value:
        path = Path(value)
        if path.is_absolute() or path.parts[:1] == ("~",) or ".." in path.parts:
            return path.name
    return value


def _metadata(config: Config, *, adapter: bool, ends: Mapping[str, tuple[float, float]]) -> ModelCardData:
    """What the hub reads: the base, the data, the library, and the measures after training."""
    text, data, base = config.setup == "text", data_id(config.dataset_name), base_id(config)
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=data or shown(config.dataset_name),
            dataset_name=shown(config.dataset_name),
            dataset_config=config.dataset_config,
            dataset_split=config.dataset_test_split,
            metric_type=name.removeprefix("eval_"),
            metric_name="mean reward on held-out prompts" if name == REWARD else measure_of(name),
            metric_value=round(after, 6),
        )
        for name, (_, after) in ends.items()
        if math.isfinite(after)
    ]
    method = method_of(config.method).name
    library = "peft" if adapter else "transformers"
    return ModelCardData(
        base_model=base,
        base_model_relation=("adapter" if adapter else "finetune") if base else None,
        datasets=[data] if data else None,
        library_name=library if text else "grao_ref",
        pipeline_tag="text-generation" if text else None,
        tags=["grao_ref", method, *(["lora"] if adapter else [])],
        model_name=(config.hub_model_id or f"{shown(config.model_name_or_path)}-{method}") if results else None,
        eval_results=results or None,
    )


def _start(config: Config) -> str:
    """A sentence about an adapter that the training began with."""
    name = config.model_name_or_path
    if name in MADE_HERE or adapter_settings(name) is None:
        return ""
    whose = f"the adapter `{shown(name)}`"
    return f" It began with {whose}, merged into its base." if config.merge_adapter else f" It goes on from {whose}."


def _table(ends: Mapping[str, tuple[float, float]], reference: float | None) -> str:
    """Mean rewards; where nothing was scored, what the held-out rows were evaluated by."""
    if REWARD in ends:
        before, after = ends[REWARD]
        row = "" if reference is None else f"\n| the references | {reference:.3f} |"
        return SCORED.format(before=before, after=after, reference=row)
    rows = [f"| {measure_of(name)} | {before:.3f} | {after:.3f} |" for name, (before, after) in ends.items()]
    return "\n".join(["| on held-out rows | before training | after training |", "| --- | --- | --- |", *rows])
