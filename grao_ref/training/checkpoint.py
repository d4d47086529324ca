"""Checkpoints: a run between two steps as a folder of safetensors, from which it goes on exactly where it stood.

checkpoint-10/
  model.safetensors, config.json, ...   the policy as `from_pretrained` loads it (the table's: policy.safetensors)
  critic.safetensors                    the critic of a method that has one (PPO)
  training.safetensors                  the optimiser's moments and every process's random generators
  training.json                         step, tokens sampled, the settings it was trained with, and the hashes of what
                                        they name
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from grao_ref.settings.config import Config, settings_of
from grao_ref.training.generators import generators_of, restore_generators
from grao_ref.training.loop import Training
from grao_ref.training.machine import command_of, in_processes
from grao_ref.training.schedule import fixed_by_schedule

# Settings that change nothing about the steps themselves: a resumed run may have others.
FREE = {
    "max_steps", "eval_steps", "max_eval_prompts", "num_generations_eval", "log_completions",
    "num_completions_to_print", "per_device_eval_batch_size", "save_steps", "save_total_limit",
    "resume_from_checkpoint", "report_to", "run_name", "output_dir", "overwrite_output_dir", "num_train_epochs",
    "logging_steps", "push_to_hub", "hub_model_id", "attn_implementation", "trust_remote_code", "judge_base_url",
    "judge_timeout", "judge_cache", "device", "bf16", "dry_run", "device_memory",
}  # fmt: skip


# Of a checkpoint and of what its settings mean. 1: the sorting task was no data set; 2: the rate had no schedule, and a
# batch of sft and dpo counted samples.
FORMAT = 3


def save_checkpoint(
    output_dir: Path,
    training: Training,
    config: Config,
    beside: Callable[[Path], object] | None = None,
    sources: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write checkpoint-STEP, whole or not at all, and delete the oldest beyond `save_total_limit`.

    Every process calls this, and one writes. `beside` writes files that belong to the policy but hold none of its
    parameters: the tokenizer's. `sources`: the hashes of what the settings name (`runs/sources.py`).
    """
    folder, machine = output_dir / f"checkpoint-{training.step}", training.machine
    generators = generators_of(training)

    def write() -> None:
        unfinished = output_dir / f".checkpoint-{training.step}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        training.policy.save(unfinished)
        if beside is not None:
            beside(unfinished)
        save_file(_moments(training.optimizer) | generators, unfinished / "training.safetensors")
        state = {"format": FORMAT, "step": training.step, "tokens": training.tokens, "config": settings_of(config)}
        state["processes"] = machine.processes
        state["schedule"] = training.schedule.state_dict()
        state["sources"] = dict(sources or {})
        (unfinished / "training.json").write_text(json.dumps(state, indent=2))
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
        if config.save_total_limit is not None:
            for old in checkpoints(output_dir)[: -config.save_total_limit]:
                if old != folder:  # a run that went on from an earlier step has later ones beside it
                    shutil.rmtree(old)

    machine.together(lambda: write() if machine.writes else None)
    return folder


def checkpoints(output_dir: Path) -> list[Path]:
    """The finished checkpoints of a run, oldest first."""
    steps = {path: path.name.removeprefix("checkpoint-") for path in output_dir.glob("checkpoint-*")}
    return sorted((path for path, step in steps.items() if step.isdigit()), key=lambda path: int(steps[path]))


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that `resume_from_checkpoint` means: itself, or a run's newest. `ValueError` if there is none."""
    if (path / "training.json").exists():
        return path
    found = checkpoints(path)
    if not found:
        words = f"{path} is no checkpoint, and no folder that holds one (--save-steps writes them)"
        raise ValueError(f"resume_from_checkpoint: {words}")
    return found[-1]


def load_checkpoint(folder: Path, training: Training, config: Config) -> None:
    """Put a run that has not started where the checkpoint stands.

    Raises `ValueError` on a checkpoint that can't be read, or was trained with other settings or in other processes.
    """
    state = read_state(folder, config, training.machine.processes)
    try:
        tensors = load_file(folder / "training.safetensors")
        training.policy.load(folder)
        _restore_moments(training.optimizer, tensors)
        training.schedule.load_state_dict(state["schedule"])
        for group, rate in zip(training.optimizer.param_groups, training.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        restore_generators(training, tensors)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unreadable(folder, error) from None
    training.step, training.tokens = state["step"], state["tokens"]


def read_state(folder: Path, config: Config, processes: int = 1) -> dict[str, Any]:
    """Step, tokens sampled and settings of a checkpoint. Raises `ValueError` where `load_checkpoint` does for them.

    processes: how many the run has that goes on from it.
    """
    try:
        state: dict[str, Any] = json.loads((folder / "training.json").read_text())
        then: dict[str, Any] = dict(state["config"])
        state["step"], state["tokens"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from None
    if state.get("format", 1) != FORMAT:
        raise ValueError(
            f"the checkpoint {folder} was written by another version of grao_ref (format {state.get('format', 1)}, "
            f"this version has {FORMAT}): it can't go on exactly, so start a new run"
        )
    if (then_processes := state.get("processes", 1)) != processes:
        raise ValueError(
            f"the checkpoint {folder} was written by a run of {in_processes(then_processes)}, and this run has "
            f"{processes}: each process has its own prompts and random numbers, so it goes on with as many alone "
            f"({command_of(then_processes)})"
        )
    now = settings_of(config)
    bound = fixed_by_schedule(config)
    free = FREE - bound
    changed = {name: (was, now.get(name)) for name, was in then.items() if name not in free and was != now.get(name)}
    if changed:
        listed = ", ".join(f"{name} was {was!r} and is {value!r}" for name, (was, value) in changed.items())
        why = "" if bound.isdisjoint(changed) else "; the schedule of the learning rate depends on the number of steps"
        raise ValueError(f"the checkpoint {folder} was trained with other settings: {listed}{why}")
    return state


def _unreadable(folder: Path, error: Exception) -> ValueError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ValueError(f"the checkpoint {folder} can't be read: {reason}")


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
