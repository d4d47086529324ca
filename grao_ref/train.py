"""Train a policy and show what came of it.

`--preset tiny` (the default) trains the embedded language model on the embedded task, sorting five digits,
against references with a mistake each; `--preset bandit` trains a table on a ten-armed bandit. Flags change
what the preset sets.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TextIO

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grao_ref.config import PRESETS, Config
from grao_ref.experiment import plan, prepare, run
from grao_ref.results import Curve, Results, draw, samples_table, score_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, run, print; the exit code."""
    config = parse(list(sys.argv[1:] if arguments is None else arguments))
    console = Console()
    torch.set_num_threads(1)  # the embedded models are too small to share: more threads only wait for each other
    try:
        config.output_dir.mkdir(parents=True, exist_ok=True)
        picture = config.output_dir / "curves.png"
        picture.unlink(missing_ok=True)  # an old picture beside new figures would lie
        log = (config.output_dir / "metrics.jsonl").open("w")
    except OSError as error:
        print(f"error: output_dir can't be written: {error}", file=sys.stderr)
        return 2
    with log:
        try:
            results = train_all(config, console, log)
        except FloatingPointError as error:
            print(f"\nerror: {error}; the figures so far are in {log.name}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"\ninterrupted; the figures so far are in {log.name}", file=sys.stderr)
            return 130
    console.print(score_table(results))
    if results.after:
        console.print(samples_table(results))
    draw(results, picture)
    console.print(f"Every step: {log.name}\nPicture:    {picture}", soft_wrap=True)
    return 0


def parse(arguments: list[str]) -> Config:
    """The preset's settings, changed by the flags; exits with code 2 and a message on a bad one."""
    first = argparse.ArgumentParser(prog="python -m grao_ref.train", add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=PRESETS, default="tiny")
    chosen, rest = first.parse_known_args(arguments)
    return tyro.cli(Config, args=rest, default=PRESETS[chosen.preset], prog=first.prog, description=__doc__)


def train_all(config: Config, console: Console, log: TextIO) -> Results:
    """Every planned run, each with its progress bar, and a line in the log for every step."""
    columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    curves: dict[str, Curve] = {}
    with Progress(*columns, console=console) as progress:
        runs = plan(config)
        bars = {name: progress.add_task(name, total=sum(s.max_steps for s in runs[name])) for name in runs}
        for name, seeds in runs.items():
            scores = []
            for settings in seeds:
                experiment = prepare(settings)
                before, steps, values = experiment.show(), [0], [experiment.score()]
                for now in run(experiment):
                    row = {"run": name, "seed": settings.seed, "step": now.report.step} | now.report.means()
                    if now.score is not None:
                        steps.append(now.report.step)
                        values.append(now.score)
                        row["eval_reward"] = now.score.mean().item()
                    log.write(json.dumps(row, allow_nan=False) + "\n")
                    progress.advance(bars[name])
                scores.append(torch.stack(values))
            curves[name] = Curve(steps, torch.cat(scores, dim=1))
    shown = f"{name}, seed {settings.seed}"
    return Results(curves, experiment.reference_score, shown, before, experiment.show())


if __name__ == "__main__":
    sys.exit(main())
