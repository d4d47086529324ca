"""One run: trained, evaluated, logged and checkpointed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from grao_ref.evaluation.monitor import LOGLIK
from grao_ref.methods.registry import summary_of
from grao_ref.runs.alarm import Alarm
from grao_ref.runs.going_on import require_later, require_same_sources
from grao_ref.runs.keeper import Keeper
from grao_ref.runs.log import Log, Row, completions_file
from grao_ref.runs.progress import ProgressLine
from grao_ref.runs.results import Curve, curves_of
from grao_ref.runs.sources import sources_of
from grao_ref.runs.stopping import Stopping
from grao_ref.runs.tables import completions_table
from grao_ref.runs.trackers import Tracker, tracker_of, trackers_named
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.training.checkpoint import load_checkpoint
from grao_ref.training.generators import note_generators
from grao_ref.training.loop import Report, proceed, start
from grao_ref.training.undo import in_their_places


class Run:
    """One policy's training, from its start or from a checkpoint."""

    def __init__(
        self,
        name: str,
        config: Config,
        console: Console,
        log: Log,
        stopping: Stopping,
        *,
        announce: bool,
        several: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)  # for whatever in an adapter or a head is drawn from torch's own generator
        self.name, self.console, self.log, self.stopping = name, console, log, stopping
        self.machine = stopping.machine
        self.setup = prepare(config, self.machine)
        self.config = config = self.setup.config  # with the steps of its epochs
        if self.setup.small:
            torch.set_num_threads(1)
        self.alarm = Alarm()
        if announce:
            for note in (f"Method: {summary_of(config)}", *self.setup.notes):
                self.say(note)
        self.sources = sources_of(config, self.setup) if announce else {}  # one model's; several runs save none
        self.keeper = None if several or not self.machine.writes else Keeper(config, self.setup, log, self.sources)
        self.run = f"{name}, seed {config.seed}" if several else None  # its own curves beside the other runs'
        checkpoint, manifest = log.output.config.resume_from_checkpoint, log.output.manifest
        if checkpoint is not None and manifest is not None and self.machine.writes:
            for warning in require_same_sources(checkpoint, manifest, self.sources):
                self.say(warning, style="bold")
        self.tracker = self.open_tracker()
        self.before = self.setup.evaluation.answers()
        self.training = start(self.setup.policy, config, self.machine)
        self.put_back = in_their_places(self.training.policy.parameters())
        self.measured: dict[int, dict[str, Tensor]] = {}  # by step: what an evaluation measured, (R,)
        if checkpoint is None or manifest is None:
            row: Row = {"run": name, "seed": config.seed, "step": 0}
            self.evaluate(row)
            self.track(row)
        else:
            self.resume(checkpoint, manifest)

    def resume(self, checkpoint: Path, manifest: Mapping[str, Any]) -> None:
        """Stand where the checkpoint stands, with its rows. Raises `ValueError` where the run ends before that."""
        require_later(checkpoint, manifest, self.config.max_steps)
        for note in load_checkpoint(checkpoint, self.training, self.config, manifest):
            self.say(note)
        if self.keeper is not None and self.log.output.in_place:
            self.keeper.stands_at(manifest["step"])
        for row in self.log.rows:
            if row["step"] == self.training.step:
                self.settle(row)
            if found := {name: torch.tensor([value]) for name, value in row.items() if name.startswith("eval_")}:
                self.measured[row["step"]] = found
                if LOGLIK in row:
                    self.alarm.check(row[LOGLIK], self.config)

    def settle(self, row: Row) -> None:
        """Make the last row what it is in a run that was never stopped: evaluated where it is time, and only there."""
        is_measured = any(name.startswith("eval_") for name in row)
        if self.is_due(row["step"]) and not is_measured and self.machine.writes:
            row |= self.measure(row["step"])
            self.track(row)
        elif is_measured and not self.is_due(row["step"]):
            for name in [name for name in row if name.startswith("eval_")]:
                del row[name]
            if self.log.output.in_place:
                self.log.output.superseded.append(completions_file(self.log.folder, row["step"]))

    def is_due(self, step: int) -> bool:
        """Whether the policy is evaluated after a step."""
        return step % self.config.eval_steps == 0 or step == self.config.max_steps

    def train(self, progress: ProgressLine) -> None:
        """Every step to the last."""
        with self.rescued():
            self.make_steps(progress)

    @contextmanager
    def rescued(self) -> Iterator[None]:
        """Where this is broken off, by whatever it may be, the run is saved where it stands."""
        try:
            yield
        except BaseException as stop:
            self.put_back()
            if self.keeper is not None:
                self.log.output.unsaved = self.keeper.rescue(self.training)
            self.stopping.until_it_is_saved(stop)
            raise

    def make_steps(self, progress: ProgressLine) -> None:
        """Step, log, evaluate, save; to the end."""
        config, machine = self.config, self.machine
        progress.skip(self.training.step)
        for report in proceed(self.setup.task, self.training, config, self.stopping.at_once):
            machine.together(partial(self.after, report, progress))
            if config.save_steps and (report.step % config.save_steps == 0 or report.step == config.max_steps):
                note_generators(self.training)
                machine.together(lambda: None if self.keeper is None else self.keeper.save(self.training))
            machine.together(lambda: None if self.keeper is None else self.keeper.look())
            self.stopping.check()
        machine.together(self.end)

    def after(self, report: Report, progress: ProgressLine) -> None:
        """Log a step; evaluate the policy and show samples where it is time."""
        config = self.config
        row: Row = {"run": self.name, "seed": config.seed, "step": report.step} | report.means()
        self.log.open(self.sources)
        self.log.begin(row)
        progress.step(self.run or "", report.step, config.max_steps, row)
        if self.is_due(report.step):
            self.show(report)
            self.evaluate(row)
            self.track(row)
        else:
            self.log.write(row)
            if report.step % config.logging_steps == 0:
                self.track(row)

    def end(self) -> None:
        """Evaluate where the checkpoint had no step left; close the tracker."""
        self.log.open(self.sources)
        if self.keeper is not None:
            self.keeper.wait()
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
        row |= self.measure(row["step"])
        self.log.write(row)
        warning = self.alarm.check(row[LOGLIK], self.config) if LOGLIK in row else None
        if warning is not None:
            self.say(warning, style="bold")

    def measure(self, step: int) -> dict[str, float]:
        """What an evaluation finds, but for what is not known."""
        with self.stopping.at_once():
            measured = self.setup.evaluation.metrics(step)
        self.measured[step] = measured
        return {name: values.mean().item() for name, values in measured.items() if not values.isnan().any()}

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
