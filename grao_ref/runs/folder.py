"""A command's output folder: chosen and checked at once, written to only when the first step has been made."""

import errno
import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from grao_ref.plugins.manifest import remove
from grao_ref.runs.lock import FolderLock
from grao_ref.settings.config import Config, run_settings, settings_of
from grao_ref.training.resuming import checkpoints, find_checkpoint, is_checkpoint, require_same_run, run_of, step_of

METRICS, SETTINGS, SOURCES, PICTURE, TRACE = "metrics.jsonl", "config.yaml", "sources.json", "curves.png", "error.txt"
COMPLETIONS = "completions"


class Output:
    """The output folder: as it was before the command until `open`, and again after `undo`; no other run's meanwhile.

    config: with the folder as `output_dir`, and a resumed run's checkpoint as `resume_from_checkpoint`.
    manifest: that checkpoint's. warnings: of checkpoints that are damaged. kept: the rows of the metrics that a resumed
    run keeps. superseded: files that `open` deletes. opened: whether the run's files stand in the folder. processes:
    how many the run has.
    Raises `ValueError` on a folder that is in use, is not empty and is not resumed, that can't be written, or that
    holds what the run needs and `overwrite_output_dir` would delete. Nothing is written here.
    """

    def __init__(self, config: Config, processes: int = 1) -> None:
        self.processes, self.opened = processes, False
        self.kept: list[dict[str, Any]] = []
        self.manifest: dict[str, Any] | None = None
        self.warnings: list[str] = []
        resumed = config.resume_from_checkpoint
        self._explicit = resumed is not None and is_checkpoint(resumed)
        self.unsaved: str | None = None  # why the last step of a run that was stopped could not be saved
        self.superseded: list[Path] = []
        self._texts: dict[str, str] = {}  # of the run's files
        self._lock: FolderLock | None = None
        self._own = None if resumed is None else run_of(resumed) if self._explicit else resumed
        if resumed is not None and config.output_dir is None and self._own is None:
            raise ValueError(f"{resumed} lies in no run's folder: name an output_dir for what comes after it")
        self._named = config.output_dir is not None or self._own is not None
        self.folder = config.output_dir or self._own or _next_free()
        self._hold()
        if resumed is not None:
            checkpoint, self.manifest, self.warnings = find_checkpoint(resumed)
            config = replace(config, resume_from_checkpoint=checkpoint)
            require_same_run(checkpoint, self.manifest, config, processes)
            if (checkpoint / METRICS).exists():
                self.kept = [json.loads(row) for row in (checkpoint / METRICS).read_text().splitlines()]
        self.config, self._made = replace(config, output_dir=self.folder), list[Path]()  # folders, the innermost first
        self._before: set[Path] | None = None  # what was in the folder before it was written to
        self._require_usable()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lock": None}  # another process's copy holds nothing

    def make(self) -> Path:
        """The folder, made if it is missing. Another run may have taken a number in runs/: then it is the next."""
        if self._before is not None:
            return self.folder
        if self._named:
            self._require_usable()
        while True:
            missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
            try:
                self.folder.mkdir(parents=True, exist_ok=self._named)
                break
            except FileExistsError:
                if self._named:
                    raise
                self.folder = _next_free()
        self._hold()
        self._made, self._before = missing, set(self.folder.rglob("*"))
        self.config = replace(self.config, output_dir=self.folder)
        return self.folder

    def open(self, metrics: str, sources: dict[str, Any]) -> None:
        """Write config.yaml, sources.json and metrics.jsonl, and delete what an earlier run left.

        The new files are written whole before anything is deleted, so a full disk costs nothing.
        """
        folder = self.make()
        self._texts = {
            SETTINGS: yaml.safe_dump(run_settings(self.config), sort_keys=False),
            SOURCES: json.dumps(sources, indent=2) + "\n",
        }
        files = {METRICS: metrics} | self._texts
        for name, text in files.items():
            (folder / f".{name}.part").write_text(text)
        for name in (PICTURE, TRACE):  # of the earlier run
            (folder / name).unlink(missing_ok=True)
        patterns = (".*.part", f"{COMPLETIONS}/.*.part")  # what a killed run left
        unfinished = [p for each in patterns for p in folder.glob(each) if p.name[1:-5] not in files]
        for path in (*self._in_the_way(), *self.superseded, *unfinished):
            remove(path)
        for name in files:
            (folder / f".{name}.part").replace(folder / name)
        self.opened = True

    def require_own(self) -> None:
        """Raise `FileExistsError` where another folder stands in the place of the one that the run has opened."""
        if self._lock is not None and self.folder.exists() and not self._lock.is_on(self.folder):
            raise FileExistsError(errno.EEXIST, "another folder has been put in its place", str(self.folder))

    def restore(self) -> None:
        """Write those of the run's files again that somebody has deleted, and the folder with them."""
        self.require_own()
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self._lock = FolderLock(self.folder)
        for name, text in self._texts.items():
            if not (self.folder / name).exists():
                (self.folder / name).write_text(text)

    def undo(self) -> None:
        """Delete what was made in the folder before `open`, and the folders that were made for it; unlock it."""
        if not self.opened and self._before is not None:
            for path in sorted(set(self.folder.rglob("*")) - self._before, reverse=True):  # what is inside comes first
                with suppress(OSError):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            for folder in self._made:
                with suppress(OSError):  # somebody else's file is in it
                    folder.rmdir()
            self._before, self._made = None, []
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def in_place(self) -> bool:
        """Whether a run goes on in the folder that holds its checkpoint."""
        own = self._own
        return own is not None and own.exists() and self.folder.exists() and self.folder.samefile(own)

    def _hold(self) -> None:
        if self._lock is None and self.folder.is_dir():
            self._lock = FolderLock(self.folder)

    def _require_usable(self) -> None:
        folder, config = self.folder, self.config
        require_writable(folder)
        if step_of(folder) is not None:
            raise ValueError(f"output_dir {folder} has the name of a checkpoint: name another one")
        if not folder.exists():
            return
        later = self._later()
        if later and self._explicit and not config.overwrite_output_dir:
            raise ValueError(
                f"{folder} has {later[-1].name}, which is later than the checkpoint to go on from: name another "
                "output_dir, or add --overwrite-output-dir, which deletes what came after it"
            )
        is_full = any(path.suffix != ".part" for path in folder.iterdir())  # not of what a killed run left
        if is_full and not (config.overwrite_output_dir or self.in_place):
            raise ValueError(
                f"output_dir {folder} is not empty: name another one, or --resume-from-checkpoint {folder}, or "
                "--overwrite-output-dir"
            )
        needed = _paths(config)
        for path in self._in_the_way():
            if any(other.is_relative_to(path.resolve()) for other in needed):
                raise ValueError(
                    f"--overwrite-output-dir would delete {path}, which this run needs: name another output_dir"
                )

    def _later(self) -> list[Path]:
        """The run's own checkpoints of later steps than the one that it goes on from."""
        if self.manifest is None or not self.in_place:
            return []
        return [each for each in checkpoints(self.folder) if (step_of(each) or 0) > self.manifest["step"]]

    def _in_the_way(self) -> list[Path]:
        """What would pass for this run's: an earlier run's checkpoints, model and completions, or its later ones."""
        if self.manifest is not None and self.in_place:
            shown = {path: path.stem.rpartition("_")[2] for path in self.folder.glob(f"{COMPLETIONS}/*.jsonl")}
            after = [path for path, step in shown.items() if step.isdecimal() and int(step) > self.manifest["step"]]
            return after + (self._later() if self._explicit else [])
        if not (self.folder / METRICS).exists():
            return []
        others = (self.folder / name for name in ("model", "base", COMPLETIONS))
        return [*checkpoints(self.folder), *(path for path in others if path.exists())]


def require_writable(folder: Path) -> None:
    """Raise `ValueError` on an output folder that can't be made or written to; nothing is tried."""
    for path in (folder, *folder.parents):
        if path.is_dir():
            if not os.access(path, os.W_OK | os.X_OK):
                raise ValueError(f"output_dir {folder} can't be written: there is no permission to write in {path}")
            return
        if path.exists():
            raise ValueError(f"output_dir {folder} can't be made: {path} is a file")
        if path.is_symlink():
            raise ValueError(f"output_dir {folder} can't be made: {path} is a link that leads nowhere")


def _paths(config: Config) -> list[Path]:
    """Every text among the settings, as if it named a file: some do."""
    values = [value if isinstance(value, list) else [value] for value in settings_of(config).values()]
    texts = [text for value in values for text in value if isinstance(text, str) and "\0" not in text]
    return [Path(text).resolve() for text in texts]


def _next_free() -> Path:
    return next(path for number in range(1, 10**6) if not (path := Path("runs") / str(number)).exists())
