"""The runs of one command, in turn, and the model that a single one leaves."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

import grao_ref
from grao_ref.evaluation.monitor import REWARD
from grao_ref.methods.registry import summary_of
from grao_ref.plugins.manifest import remove
from grao_ref.runs.card import write_card
from grao_ref.runs.log import Log
from grao_ref.runs.plan import plan
from grao_ref.runs.progress import ProgressLine
from grao_ref.runs.results import Curve, Results, of_seeds
from grao_ref.runs.run import Run
from grao_ref.runs.stopping import Stopping
from grao_ref.settings.config import Config
from grao_ref.setups import Setup
from grao_ref.training.ranks import require_alike


def train_all(config: Config, console: Console, log: Log, stopping: Stopping) -> Results | None:
    """Every planned run, with a line of progress, and a row in the log for every step.

    stopping: what takes the signals, of the machine that the runs have. None in a process that does not evaluate the
    policy, because another one does.
    """
    runs, machine = plan(config), stopping.machine
    total = sum(settings.max_steps for seeds in runs.values() for settings in seeds)
    curves: dict[str, Curve] = {}
    several = config.compare or config.num_seeds > 1
    last: Run | None = None
    with ProgressLine(console, total, several=several) as progress:
        for name, seeds in runs.items():
            found: list[dict[str, Curve]] = []
            for settings in seeds:
                first, last = last is None, None  # the last run's model and moments make room for the next one's
                made = partial(Run, name, settings, console, log, stopping, announce=first, several=several)
                with stopping.preparing():
                    last = machine.together(made)
                machine.together(partial(require_alike, last.training, last.sources))
                if config.num_train_epochs is not None:  # its steps are known now, and are those of every run
                    progress.total = last.config.max_steps * sum(map(len, runs.values()))
                    log.output.config = replace(log.output.config, max_steps=last.config.max_steps)
                last.train(progress)
                if machine.writes:
                    found.append(last.curves())
            assert last is not None
            if not machine.writes:
                continue
            shown = {name: REWARD} if last.setup.evaluation.scored else {measure: measure for measure in found[0]}
            curves |= {label: of_seeds([each[measure] for each in found]) for label, measure in shown.items()}
    assert last is not None
    if not machine.writes:
        return None
    setup = last.setup
    if not several:
        with last.rescued():
            save_model(setup, log.folder / "model", name, last)
    evaluation, whose = setup.evaluation, f"{name}, seed {setup.config.seed}"
    with last.rescued(), stopping.at_once():
        before, after = last.before, evaluation.answers()
    return Results(curves, evaluation.reference_score, whose, before, after, log.rows, evaluation.scored)


def save_model(setup: Setup, folder: Path, name: str, run: Run) -> None:
    """The trained policy, its tokenizer and its card, in place of an earlier one; whole, or the earlier one stays."""
    unfinished = folder.with_name(f".{folder.name}.part")
    remove(unfinished)
    unfinished.mkdir()
    setup.policy.save(unfinished)
    if setup.save is not None:
        setup.save(unfinished)
    ends = {
        name: (curve.scores[0].mean().item(), curve.scores[-1].mean().item()) for name, curve in run.curves().items()
    }
    about = {"name": name, "note": f"Method: {summary_of(setup.config)}", "version": grao_ref.__version__}
    write_card(unfinished, setup.config, ends=ends, reference=setup.evaluation.reference_score, **about)
    for path in folder.glob("*"):  # somebody else's files stay
        if not (unfinished / path.name).exists():
            path.rename(unfinished / path.name)
    remove(folder)
    unfinished.rename(folder)
