"""The command line: a dataclass's fields are the flags. Precedence: preset < YAML file < flags."""

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

import tyro
import yaml

from grao_ref.settings.kinds import kinds_of

Settings = TypeVar("Settings")


def parse(
    arguments: Sequence[str], presets: Mapping[str, Settings], *, module: str, description: str | None
) -> Settings:
    """`[--preset NAME] [--config FILE.yaml] [flags]` -> settings: a flag beats the file, and the file the preset.

    The first preset is the default. Exits with code 2 and a message that names the nearest flag on a bad one.
    """
    first = argparse.ArgumentParser(prog=f"python -m {module}", add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=next(iter(presets)))
    first.add_argument("--config", type=Path)
    chosen, rest = first.parse_known_args(list(arguments))
    if chosen.preset not in presets:
        near = difflib.get_close_matches(chosen.preset, presets, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(presets)}"
        fail(ValueError(f"unknown preset {chosen.preset!r}; {hint}"))
    default = presets[chosen.preset]
    description = (
        f"{description}\n\nTwo more flags: --config FILE.yaml, whose keys are those below, and "
        f"--preset {{{','.join(presets)}}}, whose values they change."
    )
    try:
        if chosen.config is not None:
            default = from_file(chosen.config, default)
        return tyro.cli(type(default), args=rest, default=default, prog=first.prog, description=description)
    except ValueError as error:
        fail(error)


def from_file(file: Path, default: Settings) -> Settings:
    """The settings of a YAML file over those of a preset.

    Raises `ValueError` on a file that can't be read, is no mapping, has a key that is no setting, or a value that the
    setting can't have.
    """
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"config {file} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"config {file} must map settings to values, got {type(content).__name__}")
    kinds, values = kinds_of(type(default)), {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"config {file} has the unknown key {key!r}{hint}")
        values[name] = as_kind(value, kinds[name])
    try:
        return replace(default, **values)  # type: ignore[type-var]
    except ValueError as error:
        raise ValueError(f"config {file}: {error}") from None


def as_kind(value: Any, kind: Any) -> Any:
    """A YAML value as the setting's type has it: lists are tuples, paths are text, and 1e-5 is text to YAML.

    A mapping where a list of texts is wanted (`column: {prompt: question}`) is a list of `prompt=question`.

    What does not fit stays as it is, and is refused by name when the settings are made.

    >>> as_kind("1e-5", float), as_kind(["a", "b"], tuple[str, ...]), as_kind(None, Path | None)
    (1e-05, ('a', 'b'), None)
    """
    if get_origin(kind) is Annotated:
        return as_kind(value, get_args(kind)[0])
    if NoneType in get_args(kind):
        return None if value is None else as_kind(value, next(k for k in get_args(kind) if k is not NoneType))
    if get_origin(kind) is tuple and isinstance(value, dict):
        return tuple(f"{key}={item}" for key, item in value.items())
    if get_origin(kind) is tuple:
        return tuple(as_kind(item, get_args(kind)[0]) for item in (value if isinstance(value, list) else [value]))
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def quiet_libraries() -> None:
    """No progress bars for files that are read in a second."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def fail(error: Exception) -> NoReturn:
    """One line on standard error, and exit code 2."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)
