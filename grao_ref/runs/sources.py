"""What stands behind the names in the settings, as hashes: a file may change while its name stays the same.

Setting -> part -> SHA-256, kept in a run's sources.json and in its checkpoints' manifest.json:

dataset_name          the rows to train on and the rows held out, as they were read and in their order. A file that
                      was saved again with the same rows is the same data.
model_name_or_path    every file of the model's folder that loading may read, weights included (about a second for each
                      gigabyte); of a model of the hub, its commit. An adapter's base is followed.
reward_funcs, method  the file that holds the function; a reward model's folder, or its commit. What a file imports is
                      not followed.
chat_template_path, system_prompt    the file, where there is one.
"""

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from numbers import Number
from pathlib import Path
from typing import Any
from uuid import UUID

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from grao_ref.data.rows import Row
from grao_ref.methods.registry import method_of
from grao_ref.plugins.blame import LIBRARIES, PACKAGE
from grao_ref.plugins.importing import import_object
from grao_ref.policies.adapters import base_of
from grao_ref.policies.load import EMBEDDED
from grao_ref.runs.folder import SOURCES
from grao_ref.settings.config import Config, settings_of
from grao_ref.setups import Setup

Sources = dict[str, dict[str, str]]
TRAINED, HELD_OUT = "rows to train on", "rows held out"
CODE = ("reward_funcs", "method")  # a run may go on with mended code, and says so; anything else is refused
FILES = ("chat_template_path", "system_prompt")  # settings that may name a file
SUFFIXES = (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja", ".py")  # of files that loading may read
ADAPTER = "adapter_config.json"
NAMED_IN = {ADAPTER: "base_model_name_or_path", "head.json": "model_name_or_path"}  # another model


def sources_of(config: Config, setup: Setup) -> Sources:
    """The hashes of everything that the settings name, as it is now."""
    rows = {TRAINED: hash_of_rows(setup.rows), HELD_OUT: hash_of_rows(setup.held_out)} if setup.rows else {}
    found = {"dataset_name": rows, "method": code_file(method_of(config.method), config.method)} | _named(config)
    return {name: parts for name, parts in found.items() if parts}


def _named(config: Config) -> Sources:
    """The hashes of what an evaluation needs too, but for the rows: the model, the rewards and the texts."""
    settings = settings_of(config)
    found: Sources = {"model_name_or_path": model_files(config.model_name_or_path), "reward_funcs": {}}
    for name in config.reward_funcs:
        found["reward_funcs"] |= reward_files(name)
    return found | {name: model_files(settings.get(name)) for name in FILES}


def require_same(then: Mapping[str, Mapping[str, str]], now: Sources, *, since: str, instead: str) -> list[str]:
    """A warning for each setting whose code has changed. Raises `ValueError` where anything else has.

    then: the hashes of `since`. Settings and parts that it has no hash of are not compared. instead: what to do.
    """
    warnings = []
    for setting, was in then.items():
        found = now.get(setting, {})
        parts = [part for part in sorted({*was, *found}) if was.get(part) != found.get(part)]
        if not parts:
            continue
        listed = ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
        if setting not in CODE:
            raise ValueError(f"what {setting} names has changed since {since} ({listed}): {instead}")
        warnings.append(f"warning: what {setting} names has changed since {since} ({listed}); it is used as it is now")
    return warnings


def require_same_prompts(run: Path, config: Config, held_out: Iterable[Row]) -> list[str]:
    """The warnings of `require_same` for the evaluation of a trained run, by its sources.json.

    held_out: the rows to evaluate on, as they are now. What counts is what the run was evaluated on and began from: the
    rows held out, the base, the texts and the rewards. Raises `ValueError` where another one than a reward has changed.
    A run without sources.json is not compared.
    """
    if not (run / SOURCES).exists():
        return []
    then, now = json.loads((run / SOURCES).read_text()), _named(config)
    now["dataset_name"] = {HELD_OUT: hash_of_rows(held_out)}
    then.pop("method", None)
    for setting in ("dataset_name", "reward_funcs"):
        both = {HELD_OUT} if setting == "dataset_name" else {*then.get(setting, {})} & {*now.get(setting, {})}
        for each in (then, now):
            each[setting] = {part: value for part, value in each.get(setting, {}).items() if part in both}
    return require_same(then, now, since=f"{run} was trained", instead="put it back to evaluate this run")


def hash_of_rows(rows: Iterable[Row]) -> str:
    """SHA-256 of the rows in their order: prompt, answers and the other columns, whose own order does not count."""
    total = hashlib.sha256()
    for row in rows:
        parts = (row.prompt, row.reference, row.rejected, row.columns)
        total.update(json.dumps(parts, sort_keys=True, default=_plain).encode() + b"\n")
    return total.hexdigest()


def model_files(name: Any) -> dict[str, str]:
    """File -> hash of a folder, a file or an embedded model; the commit of a model of the hub; else nothing."""
    if not name:
        return {}
    path = EMBEDDED[name]() if name in EMBEDDED else Path(str(name))
    is_file = is_folder = False
    with suppress(OSError, ValueError):  # a system prompt's text is no path: it is too long, or has odd characters
        is_file, is_folder = path.is_file(), path.is_dir()
    if is_file:
        return {path.name: hash_of_file(path)}
    if is_folder:
        return _folder_files(path)
    with suppress(HFValidationError):  # no name that the hub could have
        cached = try_to_load_from_cache(str(name), "config.json")
        if isinstance(cached, str):
            return {"commit": Path(cached).parent.name}
    return {}


def reward_files(name: str) -> dict[str, str]:
    """A reward's code, or the files of its model. Nothing for one of this package."""
    files = model_files(name)
    if files or "." not in name or "/" in name:
        return {f"{name}/{file}": value for file, value in files.items()}
    return code_file(import_object(name, "reward function"), name)


def code_file(thing: Any, path: str) -> dict[str, str]:
    """The hash of the file at a dotted path, and of those where the object and its functions were written.

    Nothing for what this package or Python itself has.
    """
    thing = inspect.unwrap(thing) if callable(thing) else thing
    parts = [thing, type(thing), *getattr(thing, "__dict__", {}).values(), getattr(thing, "func", None)]
    files = {_source(part) for part in parts if inspect.isroutine(part) or inspect.isclass(part)}
    files.add(getattr(sys.modules.get(path.rpartition(".")[0]), "__file__", None))
    users = sorted(Path(file) for file in files if file is not None and _is_a_users(file))
    hashes = [hash_of_file(file) for file in users if file.is_file()]
    return {path: hashlib.sha256(" ".join(hashes).encode()).hexdigest()} if hashes else {}


def hash_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_files(folder: Path) -> dict[str, str]:
    inside = [*folder.iterdir(), *folder.glob("additional_chat_templates/*")]
    files = [path for path in sorted(inside) if path.suffix in SUFFIXES and path.is_file()]
    found = {path.name: _hash_of_content(path) for path in files}
    for name, key in NAMED_IN.items():
        if name in found:
            settings = json.loads((folder / name).read_text())
            base = base_of(str(folder), settings) if name == ADAPTER else settings[key]
            if Path(base) == folder:  # an adapter beside its base
                continue
            found |= {f"{base}/{part}": value for part, value in model_files(base).items()}
    return found


def _hash_of_content(path: Path) -> str:
    """SHA-256 of a file; of what a .json file holds, so that one that was saved again with other blanks is the same."""
    if path.suffix == ".json":
        with suppress(ValueError):
            return hashlib.sha256(json.dumps(json.loads(path.read_bytes()), sort_keys=True).encode()).hexdigest()
    return hash_of_file(path)


def _source(thing: Any) -> str | None:
    with suppress(TypeError, OSError):
        return inspect.getsourcefile(inspect.unwrap(thing))
    return None


def _is_a_users(file: str) -> bool:
    installed = "site-packages" in file or "dist-packages" in file
    return not file.startswith(str(PACKAGE)) and (installed or not file.startswith(LIBRARIES))


def _plain(value: Any) -> Any:
    """A column's value that JSON does not know, by what it holds and never by where it stands in memory."""
    if isinstance(value, Number | UUID):
        return str(value)
    known = (getattr(value, name, None) for name in ("isoformat", "tolist", "hex"))  # times; arrays; bytes
    convert: Callable[[], Any] | None = next((found for found in known if callable(found)), None)
    return type(value).__qualname__ if convert is None else convert()
