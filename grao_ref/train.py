"""Train a policy and show what came of it.

`--preset tiny` (the default) trains the embedded language model on the embedded task, sorting five digits, against
references with a mistake each; `bandit` a table on a ten-armed bandit; `smollm2` a real model on real data, given a
reward; `paper` is the paper's own setting, its objective as printed. GRAO is trained repaired unless
--no-imitate-only-when-ahead says otherwise (thm-4).
"""

import json
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.console import Console

from grao_ref.checkpoint import checkpoints, find_checkpoint, read_state, settings_of
from grao_ref.cli import fail, parse, quiet_libraries
from grao_ref.config import Config
from grao_ref.presets import PRESETS
from grao_ref.report import METRICS, Log, require_tracker
from grao_ref.results import draw, samples_table, score_table
from grao_ref.runs import train_all

LESS_MEMORY = (
    "Less is needed with a smaller --per-device-train-batch-size (and as many more --gradient-accumulation-steps), "
    "--gradient-checkpointing, --use-peft, or a smaller --max-completion-length."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, run, print; the exit code."""
    config = parse(
        sys.argv[1:] if arguments is None else arguments, PRESETS, module="grao_ref.train", description=__doc__
    )
    if config.model_name_or_path in ("tiny", "tabular"):
        torch.set_num_threads(1)  # they are too small to share: more threads only wait for each other
    quiet_libraries()
    console = Console()
    try:
        require_tracker(config)
        config, kept = open_folder(config)
    except (ValueError, OSError) as error:
        fail(error)
    assert config.output_dir is not None
    log = Log(config.output_dir, kept)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        results = train_all(config, console, log)
    except ValueError as error:
        if not log.rows and config.resume_from_checkpoint is None:
            discard(log)
        fail(ValueError(f"{error}. {how_to_go_on(config)}") if len(log.rows) > len(kept) else error)
    except FloatingPointError as error:
        print(f"\nerror: {error}; the figures so far are in {log.file.name}", file=sys.stderr)
        return 1
    except torch.OutOfMemoryError as error:
        print(f"\nerror: {str(error).splitlines()[0]} {LESS_MEMORY} {how_to_go_on(config)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted; the figures so far are in {log.file.name}. {how_to_go_on(config)}", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
        log.close()
    console.print(score_table(results))
    if results.after:
        console.print(samples_table(results))
    picture = config.output_dir / "curves.png"
    draw(results, picture)
    console.print(f"Every step: {log.file.name}\nPicture:    {picture}", soft_wrap=True, markup=False, highlight=False)
    if (config.output_dir / "model").exists():
        console.print(f"Model:      {config.output_dir / 'model'}", soft_wrap=True, markup=False, highlight=False)
    return 0


def open_folder(config: Config) -> tuple[Config, list[dict[str, Any]]]:
    """The config with its output folder, which is made, and what a resumed run's metrics.jsonl holds already.

    Raises `ValueError` on a folder that is not empty and is not resumed, `OSError` on one that can't be written.
    """
    kept: list[dict[str, Any]] = []
    if config.resume_from_checkpoint is not None:
        checkpoint = find_checkpoint(config.resume_from_checkpoint)
        config = replace(config, resume_from_checkpoint=checkpoint, output_dir=config.output_dir or checkpoint.parent)
        step = read_state(checkpoint, config)["step"]  # other settings are refused before anything is written
        kept = [row for row in rows_of(checkpoint.parent / METRICS) if row["step"] <= step]
    folder = config.output_dir or next(
        path for number in range(1, 10**6) if not (path := Path("runs") / str(number)).exists()
    )
    folder.mkdir(parents=True, exist_ok=True)
    at_home = config.resume_from_checkpoint is not None and folder.samefile(config.resume_from_checkpoint.parent)
    if any(folder.iterdir()) and not at_home and not config.overwrite_output_dir:
        raise ValueError(
            f"output_dir {folder} is not empty: name another one, or --resume-from-checkpoint {folder}, or "
            "--overwrite-output-dir"
        )
    (folder / "curves.png").unlink(missing_ok=True)  # an old picture beside new figures would lie
    if not at_home and (folder / METRICS).exists():
        clear(folder, config)
    config = replace(config, output_dir=folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings_of(config), sort_keys=False))
    return config, kept


def rows_of(metrics: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, without a last one that a killed run left half-written; none where there is none."""
    rows: list[dict[str, Any]] = []
    for line in metrics.read_text().splitlines() if metrics.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def clear(folder: Path, config: Config) -> None:
    """Delete what an earlier run would pass on to this one: its checkpoints, its model, its completions.

    Raises `ValueError` where this run needs one of them.
    """
    old = [*checkpoints(folder), *(folder / name for name in ("model", "completions") if (folder / name).exists())]
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
    """Leave nothing of a run that was refused before its first figure, so that the mended command finds its folder."""
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


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
