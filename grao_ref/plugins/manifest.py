"""What a checkpoint's folder holds, or the base of an adapter, written last, so that damage is known before it loads.

manifest.json says of each file how many bytes it has and their SHA-256, and of a file of tensors their names, types and
shapes; the rest is the run's own (`checkpoint.py`). It carries a SHA-256 of itself. A hash tells damage, not malice:
whoever can write into the folder can write another manifest.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

MANIFEST = "manifest.json"
OWN, FILES = "sha256", "files"


class DamagedError(ValueError):
    """A folder that is not as it was when its manifest was written: what is wrong, in words."""


def seal(folder: Path, about: Mapping[str, Any]) -> None:
    """Bring every file of the folder to the disk, and then write its manifest, with `about` in it."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    manifest = dict(about) | {FILES: {name: _described(path) for name, path in files.items()}}
    text = json.dumps(manifest | {OWN: _own_hash(manifest)}, indent=1)
    (folder / MANIFEST).write_text(text)
    to_disk(folder / MANIFEST)
    for inside in (path for path in folder.rglob("*") if path.is_dir()):
        to_disk(inside)
    to_disk(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, as it was written. Raises `DamagedError` where it is missing or has changed."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise DamagedError(
            f"it has no {MANIFEST}, which is written last" if folder.is_dir() else "is no folder"
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # of a checkpoint that is a file, too
        raise DamagedError(f"{MANIFEST} can't be read: {str(error).splitlines()[0]}") from None
    if not isinstance(manifest, dict) or manifest.pop(OWN, None) != _own_hash(manifest):
        raise DamagedError(f"{MANIFEST} has changed since it was written")
    return manifest


def is_sealed(folder: Path) -> bool:
    """Whether a folder has a manifest as it was written; its files are not looked at."""
    try:
        read_manifest(folder)
    except DamagedError:
        return False
    return True


def require_whole(folder: Path) -> dict[str, Any]:
    """The manifest of a folder whose every file is as it was written. Raises `DamagedError` with the first that is not.

    Each file is read to its end, which takes about a second for a gigabyte. Files that were added are no damage.
    """
    manifest = read_manifest(folder)
    for name, described in manifest[FILES].items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != described["bytes"]:
                raise DamagedError(f"{name} has {size} bytes, and was written with {described['bytes']}")
            if hash_of_file(path) != described[OWN]:
                raise DamagedError(f"{name} has changed since it was written: its SHA-256 is another one")
        except FileNotFoundError:
            raise DamagedError(f"{name} is missing") from None
        except OSError as error:
            raise DamagedError(f"{name} can't be read: {error.strerror or error}") from None
    return manifest


def hash_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk and not in the system's memory alone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file, a link or a whole folder, or nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _described(path: Path) -> dict[str, Any]:
    to_disk(path)
    found: dict[str, Any] = {"bytes": path.stat().st_size, OWN: hash_of_file(path)}
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 it is no mapping
            found["tensors"] = {name: [each.get_dtype(), each.get_shape()] for name, each in slices.items()}
    return found


def _own_hash(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
