"""From the command line and a YAML file to settings. Precedence: preset < YAML file < flags."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from grao_ref.plugins.near import hint
from grao_ref.plugins.secrets import redacted
from grao_ref.settings.command_line import Typed, read
from grao_ref.settings.help import help_text
from grao_ref.settings.kinds import kinds_of
from grao_ref.settings.trl_words import VALUES, without_unset
from grao_ref.settings.unknown import UnknownNamesError, require_known
from grao_ref.settings.values import as_kind

Settings = TypeVar("Settings")
FIRST = {"preset": str, "config": Path | None}  # flags that say what the other flags change


def parse(
    arguments: Sequence[str], presets: Mapping[str, Settings], *, module: str, description: str | None
) -> Settings:
    """`[--preset NAME] [--config FILE.yaml] [flags]` -> settings: a flag beats the file, and the file the preset.

    The first preset is the default. Prints the help and exits with code 0 on `--help`; exits with code 2 and one error
    on what can't be used: names that are no settings, of the file and the command line, are listed together.
    """
    try:
        default = next(iter(presets.values()))
        typed = read(arguments, kinds_of(type(default)) | FIRST)
        name, file = typed.values.pop("preset", next(iter(presets))), typed.values.pop("config", None)
        if name not in presets:
            raise ValueError(f"unknown preset {name!r}; {hint(name, presets, 'there are ' + ', '.join(presets))}")
        default = presets[name]
        if typed.help:
            first = {"--preset": f"{{{','.join(presets)}}}", "--config": "FILE.yaml"}
            _show(help_text(default, module=module, description=description, first=first))
        kinds = kinds_of(type(default))
        written = {} if file is None else read_file(file)
        keys = {key: value for key, value in written.items() if _name(key) not in kinds}
        require_known(keys, typed.unknown, kinds, f"config {file}")
        _require_nothing_loose(typed)
        values = {_name(key): as_kind(value, kinds[_name(key)]) for key, value in written.items() if key not in keys}
        of_file = _over(default, _with_own_steps(values), f"config {file}: ")
        return _over(of_file, _with_own_steps(typed.values))
    except ValueError as error:
        fail(error)


def parse_alone(
    arguments: Sequence[str], default: Settings, *, module: str, description: str | None, positional: str | None = None
) -> Settings:
    """Flags over the default settings of a command without presets and files; the errors are those of `parse`.

    positional: the setting that takes the words which belong to no flag.
    """
    kinds = kinds_of(type(default))
    try:
        typed = read(arguments, kinds)
        if typed.help:
            _show(help_text(default, module=module, description=description, positional=positional))
        require_known({}, typed.unknown, kinds, "")
        if positional is not None and typed.loose:
            typed.values[positional] = tuple(as_kind(word, kinds[positional])[0] for word in typed.loose)
            typed.loose = []
        _require_nothing_loose(typed)
        return _over(default, typed.values)
    except ValueError as error:
        fail(error)


def read_file(file: Path) -> dict[Any, Any]:
    """The keys and values of a YAML file. Raises `ValueError` on one that can't be read, or is no mapping."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError(f"config {file} can't be read: its lists and mappings are nested too deeply") from None
    except (OSError, ValueError, yaml.YAMLError) as error:  # a date that is none, a number of too many digits
        raise ValueError(f"config {file} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(f"config {file} must map settings to values, got {type(content).__name__}")
    return content


def quiet_libraries() -> None:
    """No progress bars for files that are read in a second, and no log line beside an error of `datasets`."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # both are read when it is imported, which is later
    os.environ.setdefault("DATASETS_VERBOSITY", "critical")
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def fail(error: Exception) -> NoReturn:
    """One line on standard error, or one for each of several unknown names, and exit code 2."""
    lines = error.lines if isinstance(error, UnknownNamesError) else [" ".join(str(error).split())]
    print("error: " + redacted("\n".join(lines)), file=sys.stderr)
    sys.exit(2)


def _show(text: str) -> NoReturn:
    print(text)
    sys.exit(0)


def _name(key: Any) -> str:
    return str(key).replace("-", "_")


def _with_own_steps(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a source; where it gives `max_steps` alone, the epochs of an earlier source no longer count."""
    own = without_unset(dict(values))
    return {"num_train_epochs": None} | own if "max_steps" in own else own


def _over(default: Settings, values: Mapping[str, Any], where: str = "") -> Settings:
    """The settings with other values; the error on one that can't be used says where it came from, and TRL's case."""
    try:
        return replace(default, **values)  # type: ignore[type-var]
    except ValueError as error:
        more = VALUES.get(str(error).partition(" ")[0])
        raise ValueError(f"{where}{error}{f' ({more})' if more else ''}") from None


def _require_nothing_loose(typed: Typed) -> None:
    if typed.loose:
        raise ValueError(f"{typed.loose[0]!r} belongs to no flag: flags begin with two dashes, as --seed 3 does")
