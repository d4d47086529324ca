"""Train a policy and show the results.

`--preset tiny` (the default) trains the embedded language model on the embedded task, sorting five digits, against
references with a mistake each; `bandit` a table on a ten-armed bandit; `smollm2` a real model on real data, given a
reward; `paper` is the paper's own setting, its objective as printed. GRAO is trained repaired, or as printed with
`--no-imitate-only-when-ahead` (thm-4).
"""

import signal
import sys
from collections.abc import Sequence

import torch
from rich.console import Console

from grao_ref.runs.folder import discard, how_to_go_on, open_folder
from grao_ref.runs.log import Log
from grao_ref.runs.plots import draw
from grao_ref.runs.run import train_all
from grao_ref.runs.tables import samples_table, score_table
from grao_ref.runs.trackers import require_tracker
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.settings.flags import fail, parse, quiet_libraries
from grao_ref.settings.presets import PRESETS
from grao_ref.training.machine import this_machine

LESS_MEMORY = (
    "Less is needed with a smaller --per-device-train-batch-size (and as many more --gradient-accumulation-steps), "
    "--gradient-checkpointing, --use-peft, or a smaller --max-completion-length."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, run, print; the exit code."""
    config = parse(
        sys.argv[1:] if arguments is None else arguments, PRESETS, module="grao_ref.train", description=__doc__
    )
    quiet_libraries()
    console = Console()
    try:
        check(config)
        require_tracker(config)
        this_machine()
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
    except (FloatingPointError, torch.OutOfMemoryError, KeyboardInterrupt) as stop:
        print(f"\n{_words(stop, config, log)}", file=sys.stderr)
        return 130 if isinstance(stop, KeyboardInterrupt) else 1
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


def _words(stop: BaseException, config: Config, log: Log) -> str:
    """Why a run stopped before its end, and what can be done."""
    if isinstance(stop, FloatingPointError):
        return f"error: {stop}; the metrics so far are in {log.file.name}"
    if isinstance(stop, torch.OutOfMemoryError):
        return f"error: {str(stop).splitlines()[0]} {LESS_MEMORY} {how_to_go_on(config)}"
    return f"interrupted; the metrics so far are in {log.file.name}. {how_to_go_on(config)}"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
