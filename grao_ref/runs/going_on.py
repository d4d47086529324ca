"""How a stopped run goes on: what is said when it stops, and what is looked at when it goes on."""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from grao_ref.plugins.manifest import is_sealed
from grao_ref.runs.folder import SETTINGS, Output
from grao_ref.runs.sources import Sources, require_same
from grao_ref.settings.config import run_settings
from grao_ref.training.machine import command_of
from grao_ref.training.resuming import checkpoints


def how_to_go_on(output: Output) -> str:
    """What to type after an interruption: a command in the last line, as a shell takes it."""
    if not (output.opened or output.in_place):
        return "No step has been made, and nothing was written."
    folder = output.folder
    found = [each for each in checkpoints(folder) if is_sealed(each)]
    lost = f"{output.unsaved}. " if output.unsaved else ""
    if not found:
        return f"{lost}There is no checkpoint, so a new run starts from the beginning."
    words = ["--config", str(folder / SETTINGS), "--resume-from-checkpoint", str(folder), *_changed(output)]
    flags = shlex.join(words)
    return f"{lost}To go on from {found[-1].name}:\n  {command_of(output.processes)} {flags}"


def _changed(output: Output) -> list[str]:
    """Flags for the settings that config.yaml does not have yet: a run that goes on writes it with its first step."""
    with suppress(OSError, yaml.YAMLError):
        written = yaml.safe_load((output.folder / SETTINGS).read_text())
        now = run_settings(output.config)
        changed = [name for name in now if isinstance(written, dict) and written.get(name) != now[name]]
        return [word for name in changed for word in (f"--{name.replace('_', '-')}", *_words(now[name]))]
    return []


def _words(value: Any) -> list[str]:
    """A setting as it is typed behind its flag."""
    if isinstance(value, list):
        return [str(each) for each in value]
    return [value if isinstance(value, str) else "none" if value is None else json.dumps(value)]


def require_same_sources(checkpoint: Path, manifest: Mapping[str, Any], sources: Sources) -> list[str]:
    """Warnings of code that has changed since the checkpoint; `ValueError` on anything else that has."""
    instead = f"put it back, or start a new run from the checkpoint's model (--model-name-or-path {checkpoint})"
    return require_same(manifest["sources"], sources, since=f"{checkpoint.name} was written", instead=instead)


def require_later(checkpoint: Path, manifest: Mapping[str, Any], max_steps: int) -> None:
    """Raise `ValueError` where a run would end before the step at which the checkpoint stands."""
    if manifest["step"] > max_steps:
        raise ValueError(
            f"{checkpoint} stands at step {manifest['step']}, and max_steps is {max_steps}: go on from an earlier "
            "checkpoint, or to a later step"
        )
