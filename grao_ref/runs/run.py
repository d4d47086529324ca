"""The runs of one command: each trained, evaluated, logged, checkpointed and saved."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

import grao_ref
from grao_ref.evaluation.monitor import LOGLIK, REWARD
from grao_ref.methods.registry import summary_of
from grao_ref.runs.alarm import Alarm
from grao_ref.runs.card import write_card
from grao_ref.runs.log import Log, Row
from grao_ref.runs.plan import plan
from grao_ref.runs.progress import ProgressLine
from grao_ref.runs.results import Curve, Results, curves_of, of_seeds
from grao_ref.runs.sources import require_same, sources_of
from grao_ref.runs.tables import completions_table
from grao_ref.runs.trackers import Tracker, tracker_of, trackers_named
from grao_ref.settings.config import Config
from grao_ref.setups import Setup, prepare
from grao_ref.training.checkpoint import load_checkpoint, read_state, save_checkpoint
from grao_ref.training.loop import Report, proceed, start
from grao_ref.training.machine import ALONE, Machine
from grao_ref.training.ranks import require_alike


def train_all(config: Config, console: Console, log: Log, machine: Machine = ALONE) -> Results | None:
    """Every planned run, with a line of progress, and a row in the log for every step.

    None in a process that does not evaluate the policy, because another one does.
    """
    runs = plan(config)
    total = sum(settings.max_steps for seeds in runs.values() for settings in seeds)
    curves: dict[str, Curve] = {}
    several = config.compare or config.num_seeds > 1
    last: Run | None = None
    with ProgressLine(console, total, several=several) as progress:
        for name, seeds in runs.items():
            found: list[dict[str, Curve]] = []
            for settings in seeds:
                first, last = last is None, None  # the last run's model and moments make room for the next one's
                made = partial(Run, name, settings, console, log, machine, announce=first, several=several)
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
        save_model(setup, log.folder / "model", name, last)
    evaluation, whose = setup.evaluation, f"{name}, seed {setup.config.seed}"
    before, after = last.before, evaluation.answers()
    return Results(curves, evaluation.reference_score, whose, before, after, log.rows, evaluation.scored)


class Run:
    """One policy's training, from its start or from a checkpoint."""

    def __init__(
        self,
        name: str,
        config: Config,
        console: Console,
        log: Log,
        machine: Machine = ALONE,
        *,
        announce: bool,
        several: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)  # for whatever in an adapter or a head is drawn from torch's own generator
        self.name, self.console, self.log, self.machine = name, console, log, machine
        self.setup = prepare(config, machine)
        self.config = config = self.setup.config  # with the steps of its epochs
        if self.setup.small:
            torch.set_num_threads(1)
        self.alarm = Alarm()
        if announce:
            for note in (f"Method: {summary_of(config)}", *self.setup.notes):
                self.say(note)
        self.sources = sources_of(config, self.setup) if announce else {}  # one model's; several runs save none
        self.run = f"{name}, seed {config.seed}" if several else None  # its own curves beside the other runs'
        if config.resume_from_checkpoint is not None and machine.writes:
            self.require_sources(config.resume_from_checkpoint)
        self.tracker = self.open_tracker()
        self.before = self.setup.evaluation.answers()
        self.training = start(self.setup.policy, config, machine)
        self.measured: dict[int, dict[str, Tensor]] = {}  # by step: what an evaluation measured, (R,)
        if config.resume_from_checkpoint is None:
            row: Row = {"run": name, "seed": config.seed, "step": 0}
            self.evaluate(row)
            self.track(row)
        else:
            self.resume(config.resume_from_checkpoint)

    def require_sources(self, checkpoint: Path) -> None:
        """Warn of code that has changed since the checkpoint; raise `ValueError` on anything else that has."""
        then = read_state(checkpoint, self.config, self.machine.processes).get("sources", {})
        instead = f"put it back, or start a new run from the checkpoint's model (--model-name-or-path {checkpoint})"
        for warning in require_same(then, self.sources, since=f"{checkpoint.name} was written", instead=instead):
            self.say(warning, style="bold")

    def resume(self, checkpoint: Path) -> None:
        """Stand where the checkpoint stands."""
        load_checkpoint(checkpoint, self.training, self.config)
        for row in self.log.rows:
            if found := {name: torch.tensor([value]) for name, value in row.items() if name.startswith("eval_")}:
                self.measured[row["step"]] = found
                if LOGLIK in row:
                    self.alarm.check(row[LOGLIK], self.config)

    def train(self, progress: ProgressLine) -> None:
        """Every step to the last."""
        config = self.config
        progress.skip(self.training.step)
        for report in proceed(self.setup.task, self.training, config):
            self.machine.together(partial(self.after, report, progress))
            if config.save_steps and (report.step % config.save_steps == 0 or report.step == config.max_steps):
                save_checkpoint(self.log.folder, self.training, config, self.setup.save, self.sources)
        self.machine.together(self.end)

    def after(self, report: Report, progress: ProgressLine) -> None:
        """Log a step; evaluate the policy and show samples where it is time."""
        config = self.config
        self.log.open(self.sources)
        row: Row = {"run": self.name, "seed": config.seed, "step": report.step} | report.means()
        progress.step(self.run or "", report.step, config.max_steps, row)
        if report.step % config.eval_steps == 0 or report.step == config.max_steps:
            self.evaluate(row)
            self.show(report)
            self.track(row)
        else:
            self.log.write(row)
            if report.step % config.logging_steps == 0:
                self.track(row)

    def end(self) -> None:
        """Evaluate where the checkpoint had no step left; close the tracker."""
        self.log.open(self.sources)
        if not self.measured:
            self.evaluate({"run": self.name, "seed": self.config.seed, "step": self.training.step})
        if self.tracker is not None:
            self.log.trackers.remove(self.tracker)
            self.tracker.close()

    def say(self, words: str, style: str | None = None) -> None:
        """A line for the terminal."""
        self.console.print(words, soft_wrap=True, highlight=False, markup=False, style=style)

    def open_tracker(self) -> Tracker | None:
        """The tracker, if there is one. It may write into the run's folder, which is made for it."""
        if not (trackers_named(self.config) and self.machine.writes):
            return None
        tracker = tracker_of(self.config, self.log.output.make(), self.run)
        self.log.trackers.append(tracker)
        return tracker

    def track(self, row: Row) -> None:
        """Hand the metrics of a row to the tracker, if there is one."""
        if self.tracker is not None:
            self.tracker.log({name: value for name, value in row.items() if isinstance(value, float)}, row["step"])

    def evaluate(self, row: Row) -> None:
        """Measure the policy, and write the row with it; warn if its references become ever less likely."""
        measured = self.setup.evaluation.metrics(row["step"])
        self.measured[row["step"]] = measured
        row |= {name: values.mean().item() for name, values in measured.items() if not values.isnan().any()}
        self.log.write(row)
        warning = self.alarm.check(row[LOGLIK], self.config) if LOGLIK in row else None
        if warning is not None:
            self.say(warning, style="bold")

    def curves(self) -> dict[str, Curve]:
        """Every measure of the run's evaluations."""
        return curves_of(self.measured)

    def show(self, report: Report) -> None:
        """Write the samples of a step to completions/, if they have a text; print some with `log_completions`."""
        if self.setup.text is None:
            return
        rows = self.log.completions(report, list(self.setup.task.reward_weights), self.setup.text)
        if rows and self.config.log_completions:
            self.console.print(completions_table(rows, self.config.num_completions_to_print))


def save_model(setup: Setup, folder: Path, name: str, run: Run) -> None:
    """The trained policy, its tokenizer and its card."""
    folder.mkdir(exist_ok=True)
    setup.policy.save(folder)
    if setup.save is not None:
        setup.save(folder)
    ends = {
        name: (curve.scores[0].mean().item(), curve.scores[-1].mean().item()) for name, curve in run.curves().items()
    }
    about = {"name": name, "note": f"Method: {summary_of(setup.config)}", "version": grao_ref.__version__}
    write_card(folder, setup.config, ends=ends, reference=setup.evaluation.reference_score, **about)
