"""Checkpoints: a run between two steps as a folder of safetensors, from which it goes on exactly where it stood.

checkpoint-10/
  model.safetensors, config.json, ...   the policy as `from_pretrained` loads it (the table's: policy.safetensors)
  critic.safetensors                    the critic of a method that has one (PPO)
  training.safetensors                  the optimiser's moments and every process's random generators
  metrics.jsonl                         the run's rows up to this step
  manifest.json                         step, settings, versions, machine, hashes of what the settings name, and the
                                        hashes of all files above; written last
"""

import json
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from grao_ref.plugins.manifest import remove, seal, to_disk
from grao_ref.settings.config import Config, run_settings
from grao_ref.training.generators import note_generators, restore_generators
from grao_ref.training.resuming import FORMAT, checkpoints, require_same_run, step_of, whole
from grao_ref.training.state import Training

TENSORS, PACKAGES = "training.safetensors", ("torch", "transformers", "tokenizers", "safetensors")


def save_checkpoint(
    output_dir: Path,
    training: Training,
    config: Config,
    beside: Callable[[Path], object] | None = None,
    sources: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write checkpoint-STEP, whole or not at all, and delete the oldest beyond `save_total_limit`.

    `beside` writes files that belong to the run but hold none of the policy's parameters: the tokenizer's, the rows of
    its metrics. `sources`: the hashes of what the settings name (`runs/sources.py`). Of several processes, one calls
    this.
    """
    return finish_checkpoint(*begin_checkpoint(output_dir, training, config, beside, sources), config.save_total_limit)


def begin_checkpoint(
    output_dir: Path,
    training: Training,
    config: Config,
    beside: Callable[[Path], object] | None = None,
    sources: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """The first half: everything that the next step will change is written. What `finish_checkpoint` needs."""
    if not training.generators:
        note_generators(training)
    unfinished = output_dir / f".checkpoint-{training.step}.part"
    remove(unfinished)
    unfinished.mkdir(parents=True)
    try:
        training.policy.save(unfinished)
        if beside is not None:
            beside(unfinished)
        save_file(_moments(training.optimizer) | training.generators, unfinished / TENSORS)
    except BaseException:
        remove(unfinished)  # it may have filled the disk
        raise
    about = {
        "format": FORMAT,
        "step": training.step,
        "tokens": training.tokens,
        "skipped": training.skipped,
        "processes": training.machine.processes,
        "config": run_settings(config),
        "schedule": training.schedule.state_dict(),
        "sources": {name: dict(parts) for name, parts in (sources or {}).items()},
        "machine": _machine(training),
        "versions": _versions(),
    }
    return unfinished, json.loads(json.dumps(about))  # a copy: the schedule goes on


def finish_checkpoint(unfinished: Path, about: Mapping[str, Any], limit: int | None) -> Path:
    """The second half, which needs nothing of the run: hashes, manifest, the folder's name; and older ones deleted."""
    folder = unfinished.parent / f"checkpoint-{about['step']}"
    earlier = folder.with_name(f".{folder.name}.old.part")
    try:
        seal(unfinished, about)
    except BaseException:
        remove(unfinished)
        raise
    if folder.exists() or folder.is_symlink():
        folder.rename(earlier)
    unfinished.rename(folder)
    to_disk(folder.parent)
    remove(earlier)
    if limit is not None:
        before = [each for each in checkpoints(folder.parent) if (step_of(each) or 0) <= about["step"]]
        for old in before[:-limit]:
            with suppress(OSError):  # it takes room, and does no harm
                remove(old)
    return folder


def load_checkpoint(
    folder: Path, training: Training, config: Config, manifest: Mapping[str, Any] | None = None
) -> list[str]:
    """Put a run that has not started where the checkpoint stands. Returns what the user should know, in lines.

    manifest: what `find_checkpoint` returned; None has the checkpoint checked here. Raises `ValueError` on a checkpoint
    that is damaged, or was trained with other settings, in other processes, or on another kind of device.
    """
    manifest = whole(folder) if manifest is None else manifest
    require_same_run(folder, manifest, config, training.machine.processes)
    notes = _put_right(manifest, training)
    try:
        tensors = load_file(folder / TENSORS)
        training.policy.load(folder)
        _restore_moments(training.optimizer, tensors)
        training.schedule.load_state_dict(manifest["schedule"])
        for group, rate in zip(training.optimizer.param_groups, training.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        restore_generators(training, tensors)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"the checkpoint {folder} can't be read: {reason}") from None
    training.step, training.tokens, training.skipped = (manifest[name] for name in ("step", "tokens", "skipped"))
    return notes


def _machine(training: Training) -> dict[str, Any]:
    """What a machine makes of the settings, and what decides the order in which floats are added."""
    policy = training.policy
    return {
        "device": policy.device.type,
        "bf16": bool(getattr(policy, "bf16", False)),
        "threads": torch.get_num_threads(),
    }


def _versions() -> dict[str, str]:
    ours = sys.modules["grao_ref"].__version__  # known without an installation, too
    return {"python": platform.python_version(), "grao_ref": ours} | {name: version(name) for name in PACKAGES}


def _put_right(manifest: Mapping[str, Any], training: Training) -> list[str]:
    """Take the checkpoint's number of threads. Raises `ValueError` on another device or precision."""
    then, now, notes = manifest["machine"], _machine(training), list[str]()
    for name, what in (("device", "on the device"), ("bf16", "with bf16")):
        if then[name] != now[name]:
            raise ValueError(
                f"the checkpoint was trained {what} {then[name]}, and this run would go on {what} {now[name]}: its "
                "steps would be others; set it as it was, or start a new run from the checkpoint's model"
            )
    if then["device"] == "cpu" and then["threads"] != now["threads"]:
        torch.set_num_threads(then["threads"])
        notes.append(f"Threads: {then['threads']}, as before this run was stopped, so that its steps are the same.")
    versions = _versions()
    changed = {name: was for name, was in manifest["versions"].items() if was != versions[name]}
    other = [f"{name} {was}, now {versions[name]}" for name, was in changed.items()]
    if other:
        notes.append(f"warning: the checkpoint is of {'; of '.join(other)}: steps may differ in their last digits")
    return notes


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    named = {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}
    return {name: value.contiguous() for name, value in named.items() if isinstance(value, Tensor)}


def _restore_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, moment = name.partition(".")
        if index.isdigit():
            state.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
