"""A command's output folder: chosen and checked at once, written to only when the first step has been made."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from grao_ref.settings.config import Config, settings_of
from grao_ref.training.checkpoint import checkpoints, find_checkpoint, read_state
from grao_ref.training.machine import command_of

METRICS, SETTINGS, SOURCES, PICTURE, TRACE = "metrics.jsonl", "config.yaml", "sources.json", "curves.png", "error.txt"


class Output:
    """The output folder: as it was before the command until `open`, and again after `undo`.

    config: with the folder as `output_dir`, and a resumed run's checkpoint as `resume_from_checkpoint`.
    kept: the rows of metrics.jsonl that a resumed run keeps. opened: whether the run's files stand in the folder.
    processes: how many the run has.
    Raises `ValueError` on a folder that is not empty and is not resumed, that can't be written, or that holds what the
    run needs and `overwrite_output_dir` would delete. Nothing is written here.
    """

    def __init__(self, config: Config, processes: int = 1) -> None:
        self.processes = processes
        self.kept: list[dict[str, Any]] = []
        self.opened = False
        if config.resume_from_checkpoint is not None:
            checkpoint = find_checkpoint(config.resume_from_checkpoint)
            config = replace(
                config, resume_from_checkpoint=checkpoint, output_dir=config.output_dir or checkpoint.parent
            )
            step = read_state(checkpoint, config, processes)["step"]
            self.kept = [row for row in metrics_of(checkpoint.parent / METRICS) if row["step"] <= step]
        self._named = config.output_dir is not None
        self.folder = config.output_dir or _next_free()
        self.config = replace(config, output_dir=self.folder)
        self._made: list[Path] = []  # folders, the innermost first
        self._before: set[Path] | None = None  # what was in the folder before it was written to
        self._require_usable()

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
        self._made, self._before = missing, set(self.folder.rglob("*"))
        self.config = replace(self.config, output_dir=self.folder)
        return self.folder

    def open(self, metrics: str, sources: dict[str, Any]) -> None:
        """Write config.yaml, sources.json and metrics.jsonl, and delete what an earlier run left.

        The new files are written whole before anything is deleted, so a full disk costs nothing.
        """
        folder = self.make()
        files = {
            METRICS: metrics,
            SETTINGS: yaml.safe_dump(settings_of(self.config), sort_keys=False),
            SOURCES: json.dumps(sources, indent=2) + "\n",
        }
        for name, text in files.items():
            (folder / f".{name}.part").write_text(text)
        for name in (PICTURE, TRACE):  # of the earlier run
            (folder / name).unlink(missing_ok=True)
        for path in self._in_the_way():
            shutil.rmtree(path)
        for name in files:
            (folder / f".{name}.part").replace(folder / name)
        self.opened = True

    def undo(self) -> None:
        """Delete what was made in the folder before `open`, and the folders that were made for it."""
        if self.opened or self._before is None:
            return
        for path in sorted(set(self.folder.rglob("*")) - self._before, reverse=True):  # what is inside comes first
            with suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for folder in self._made:
            with suppress(OSError):  # somebody else's file is in it
                folder.rmdir()
        self._before, self._made = None, []

    def _require_usable(self) -> None:
        folder, config = self.folder, self.config
        require_writable(folder)
        if not folder.exists() or self._in_place():
            return
        if any(folder.iterdir()) and not config.overwrite_output_dir:
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

    def _in_place(self) -> bool:
        checkpoint = self.config.resume_from_checkpoint
        return checkpoint is not None and self.folder.exists() and self.folder.samefile(checkpoint.parent)

    def _in_the_way(self) -> list[Path]:
        """An earlier run's checkpoints, model and completions, which would pass for this run's."""
        if self._in_place() or not (self.folder / METRICS).exists():
            return []
        others = (self.folder / name for name in ("model", "base", "completions"))
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


def metrics_of(metrics: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, without a last one that a killed run left half-written; none where there is none."""
    rows: list[dict[str, Any]] = []
    for line in metrics.read_text().splitlines() if metrics.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def how_to_go_on(output: Output) -> str:
    """What to type after an interruption."""
    if not output.opened:
        return "No step has been made, and nothing was written."
    folder = output.folder
    try:
        newest = find_checkpoint(folder)
    except ValueError:
        return "There is no checkpoint yet (--save-steps), so a new run starts from the beginning."
    return (
        f"To go on from {newest.name}:\n  {command_of(output.processes)} --config {folder / SETTINGS} "
        f"--resume-from-checkpoint {folder}"
    )


def _paths(config: Config) -> list[Path]:
    """Every text among the settings, as if it named a file: some do."""
    values = [value if isinstance(value, list) else [value] for value in settings_of(config).values()]
    texts = [text for value in values for text in value if isinstance(text, str) and "\0" not in text]
    return [Path(text).resolve() for text in texts]


def _next_free() -> Path:
    return next(path for number in range(1, 10**6) if not (path := Path("runs") / str(number)).exists())
