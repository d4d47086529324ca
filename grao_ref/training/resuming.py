"""Which checkpoint a run goes on from: a whole one, of the same run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grao_ref.plugins.manifest import MANIFEST, DamagedError, require_whole
from grao_ref.settings.config import Config, run_settings
from grao_ref.training.machine import command_of, in_processes
from grao_ref.training.schedule import fixed_by_schedule

# Settings that change nothing about the steps themselves: a resumed run may have others. `device` and `bf16` count by
# what they come to on a machine (`checkpoint.py`).
FREE = {
    "max_steps", "eval_steps", "max_eval_prompts", "num_generations_eval", "log_completions",
    "num_completions_to_print", "per_device_eval_batch_size", "save_steps", "save_total_limit", "report_to",
    "run_name", "num_train_epochs", "logging_steps", "push_to_hub", "hub_model_id", "trust_remote_code",
    "judge_base_url", "judge_timeout", "judge_cache", "device", "bf16", "dry_run", "device_memory", "max_skipped_steps",
}  # fmt: skip

# Of a checkpoint and of what its settings mean. 1: the sorting task was no data set; 2: the rate had no schedule, and a
# batch of sft and dpo counted samples; 3: there was no manifest.
FORMAT = 4
BEFORE_MANIFESTS = "training.json"


def checkpoints(output_dir: Path) -> list[Path]:
    """What is named like a checkpoint of a run, oldest first."""
    steps = {path: step for path in output_dir.glob("checkpoint-*") if (step := step_of(path)) is not None}
    return sorted(steps, key=steps.__getitem__)


def step_of(checkpoint: Path) -> int | None:
    """The step that a checkpoint is named for; None for another name."""
    step = checkpoint.name.removeprefix("checkpoint-")
    return int(step) if step.isdecimal() and step != checkpoint.name else None


def is_checkpoint(path: Path) -> bool:
    """Whether a path means one checkpoint, and not a run's folder."""
    return step_of(path) is not None or (path / MANIFEST).exists() or (path / BEFORE_MANIFESTS).exists()


def run_of(checkpoint: Path) -> Path | None:
    """The run's folder that a checkpoint stands in, also by a link; None for one that was moved or copied elsewhere."""
    real = checkpoint.resolve()
    if step_of(real) is None or not (real.parent / "config.yaml").exists():
        return None
    return checkpoint.parent if checkpoint.parent.resolve() == real.parent else real.parent


def find_checkpoint(path: Path) -> tuple[Path, dict[str, Any], list[str]]:
    """What `resume_from_checkpoint` means, checked to the last byte: a checkpoint, its manifest, and warnings.

    path: a checkpoint, or a run's folder: its newest one that is whole, with a warning for each that is not. Raises
    `ValueError` if there is none.
    """
    if is_checkpoint(path):
        return path, whole(path), []
    found, damaged = checkpoints(path), list[str]()
    for checkpoint in reversed(found):
        try:
            return checkpoint, whole(checkpoint), [f"warning: {words}; the one before it is used" for words in damaged]
        except DamagedError as error:
            damaged.append(str(error))
    if damaged:
        raise ValueError(f"resume_from_checkpoint: there is none before it to use; {'; '.join(damaged)}")
    words = f"{path} is no checkpoint, and no folder that holds one (--save-steps writes them)"
    raise ValueError(f"resume_from_checkpoint: {words}")


def whole(checkpoint: Path) -> dict[str, Any]:
    """The manifest of a checkpoint of this version that is as it was written; else `ValueError`."""
    try:
        manifest = require_whole(checkpoint)
        if step_of(checkpoint) not in (None, manifest["step"]):
            raise DamagedError(f"it is of step {manifest['step']}, and not of the one that it is named for")
    except DamagedError as error:
        if (checkpoint / BEFORE_MANIFESTS).exists() and not (checkpoint / MANIFEST).exists():
            raise ValueError(_OTHER_VERSION.format(checkpoint, "3 or lower", FORMAT)) from None
        raise DamagedError(f"the checkpoint {checkpoint} can't be used: {error}") from None
    if manifest["format"] != FORMAT:
        raise ValueError(_OTHER_VERSION.format(checkpoint, manifest["format"], FORMAT))
    return manifest


def require_same_run(folder: Path, manifest: Mapping[str, Any], config: Config, processes: int = 1) -> None:
    """Raise `ValueError` where a run with these settings, in so many processes, can't go on from the checkpoint."""
    if (then := manifest["processes"]) != processes:
        raise ValueError(
            f"the checkpoint {folder} was written by a run of {in_processes(then)}, and this run has {processes}: each "
            f"process has its own prompts and random numbers, so it goes on with as many alone ({command_of(then)})"
        )
    now, bound = run_settings(config), fixed_by_schedule(config)
    free = FREE - bound
    compared = {name: was for name, was in manifest["config"].items() if name not in free}
    changed = {name: (was, now.get(name)) for name, was in compared.items() if was != now.get(name)}
    if changed:
        listed = ", ".join(f"{name} was {was!r} and is {value!r}" for name, (was, value) in changed.items())
        why = "" if bound.isdisjoint(changed) else "; the schedule of the learning rate depends on the number of steps"
        raise ValueError(f"the checkpoint {folder} was trained with other settings: {listed}{why}")


_OTHER_VERSION = (
    "the checkpoint {} was written by another version of grao_ref (format {}, this version has {}): it can't go on "
    "exactly, so start a new run"
)
