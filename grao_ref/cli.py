"""Command lines: a dataclass is the flags, a preset what they start from, a YAML file what it is changed by first."""

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

import tyro
import yaml

Settings = TypeVar("Settings")


def parse(
    arguments: Sequence[str], presets: Mapping[str, Settings], *, module: str, description: str | None
) -> Settings:
    """`[--preset NAME] [--config FILE.yaml] [flags]` -> settings: a flag beats the file, and the file the preset.

    The first preset is the default. Exits with code 2 and a message that names the nearest flag on a bad one.
    """
    first = argparse.ArgumentParser(prog=f"python -m {module}", add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=list(presets), default=next(iter(presets)))
    first.add_argument("--config", type=Path)
    chosen, rest = first.parse_known_args(list(arguments))
    default = presets[chosen.preset]
    if chosen.config is not None:
        try:
            rest = [*flags_of(chosen.config, type(default), rest), *rest]
        except ValueError as error:
            fail(error)
    description = (
        f"{description}\n\nTwo more flags: --config FILE.yaml, whose keys are those below, and "
        f"--preset {{{','.join(presets)}}}, whose values they change."
    )
    return tyro.cli(type(default), args=rest, default=default, prog=first.prog, description=description)


def flags_of(file: Path, kind: type, given: Sequence[str]) -> list[str]:
    """A config file's keys as flags, but for those given on the command line too.

    Raises `ValueError` on a file that can't be read, is no mapping, or has a key that is no setting.
    """
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"config {file} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"config {file} must map settings to values, got {type(content).__name__}")
    hints = get_type_hints(kind)
    names = list(hints)
    words = [word.removeprefix("--").split("=")[0] for word in given if word.startswith("--")]
    on_line = {word.removeprefix("no-").replace("-", "_") for word in words}
    flags: list[str] = []
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"config {file} has the unknown key {key!r}{hint}")
        if name not in on_line:
            flags += _flag(name, value, switch=hints[name] is bool)
    return flags


def quiet_libraries() -> None:
    """No progress bars for files that are read in a second."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def fail(error: Exception) -> NoReturn:
    """One line on standard error, and exit code 2."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)


def _flag(name: str, value: Any, *, switch: bool) -> list[str]:
    word = name.replace("_", "-")
    if switch and isinstance(value, bool):
        return [f"--{word}" if value else f"--no-{word}"]
    return [f"--{word}", *map(str, value if isinstance(value, list) else [value])]
