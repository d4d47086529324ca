"""A run's folder: how it is opened, cleared with --overwrite-output-dir, and removed where a run is refused."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from grao_ref.runs.log import METRICS, Log
from grao_ref.settings.config import Config, settings_of
from grao_ref.training.checkpoint import checkpoints, find_checkpoint, read_state


def open_folder(config: Config) -> tuple[Config, list[dict[str, Any]]]:
    """The config with its output folder, which is made, and what a resumed run's metrics.jsonl holds already.

    Raises `ValueError` on a folder that is not empty and is not resumed, `OSError` on one that can't be written.
    """
    kept: list[dict[str, Any]] = []
    if config.resume_from_checkpoint is not None:
        checkpoint = find_checkpoint(config.resume_from_checkpoint)
        config = replace(config, resume_from_checkpoint=checkpoint, output_dir=config.output_dir or checkpoint.parent)
        step = read_state(checkpoint, config)["step"]  # other settings are refused before anything is written
        kept = [row for row in metrics_of(checkpoint.parent / METRICS) if row["step"] <= step]
    folder = config.output_dir or next(
        path for number in range(1, 10**6) if not (path := Path("runs") / str(number)).exists()
    )
    folder.mkdir(parents=True, exist_ok=True)
    in_place = config.resume_from_checkpoint is not None and folder.samefile(config.resume_from_checkpoint.parent)
    if any(folder.iterdir()) and not in_place and not config.overwrite_output_dir:
        raise ValueError(
            f"output_dir {folder} is not empty: name another one, or --resume-from-checkpoint {folder}, or "
            "--overwrite-output-dir"
        )
    (folder / "curves.png").unlink(missing_ok=True)  # it shows the earlier run
    if not in_place and (folder / METRICS).exists():
        clear(folder, config)
    config = replace(config, output_dir=folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings_of(config), sort_keys=False))
    return config, kept


def metrics_of(metrics: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, without a last one that a killed run left half-written; none where there is none."""
    rows: list[dict[str, Any]] = []
    for line in metrics.read_text().splitlines() if metrics.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def clear(folder: Path, config: Config) -> None:
    """Delete an earlier run's checkpoints, model and completions, which would otherwise pass for this run's.

    Raises `ValueError` where this run needs one of them.
    """
    old = [
        *checkpoints(folder),
        *(folder / name for name in ("model", "base", "completions") if (folder / name).exists()),
    ]
    named = (config.resume_from_checkpoint, config.model_name_or_path, config.dataset_name, *config.reward_funcs)
    needed = [Path(name).resolve() for name in named if name is not None]
    for path in old:
        if any(other.is_relative_to(path.resolve()) for other in needed):
            raise ValueError(
                f"--overwrite-output-dir would delete {path}, which this run needs: name another output_dir"
            )
    for path in old:
        shutil.rmtree(path)


def discard(log: Log) -> None:
    """Delete the files of a run that was refused before its first metrics; the corrected command can use the folder."""
    log.close()
    for name in (METRICS, "config.yaml"):
        (log.folder / name).unlink()
    with suppress(OSError):  # not empty
        log.folder.rmdir()


def how_to_go_on(config: Config) -> str:
    """What to type after an interruption."""
    folder = config.output_dir
    assert folder is not None
    try:
        newest = find_checkpoint(folder)
    except ValueError:
        return "There is no checkpoint yet (--save-steps), so a new run starts from the beginning."
    return (
        f"To go on from {newest.name}:\n  python -m grao_ref.train --config {folder / 'config.yaml'} "
        f"--resume-from-checkpoint {folder}"
    )
