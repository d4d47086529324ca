"""The runs of one command: each trained, evaluated, logged, checkpointed and saved."""

from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

import grao_ref
from grao_ref.methods.registry import BUILT_IN, label_of, summary_of
from grao_ref.plugins.blame import blame
from grao_ref.runs.alarm import Alarm
from grao_ref.runs.card import write_card
from grao_ref.runs.log import Log, Row
from grao_ref.runs.progress import ProgressLine
from grao_ref.runs.results import Curve, Results
from grao_ref.runs.sources import require_same, sources_of
from grao_ref.runs.tables import completions_table
from grao_ref.runs.trackers import Tracker, tracker_of
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.setups import Setup, prepare
from grao_ref.training.checkpoint import load_checkpoint, read_state, save_checkpoint
from grao_ref.training.loop import Report, proceed, start
from grao_ref.training.machine import this_machine


def plan(config: Config) -> dict[str, list[Config]]:
    """Label -> the settings of its runs, one for each seed (the bandit's are one, with a row for each seed).

    Raises `ValueError` on settings that one of the runs can't use: a comparison is refused before its first run.
    """
    variants = compared(config) if config.compare else [config]
    for variant in variants:
        check(variant)
    copies = config.num_seeds // len(config.seeds)  # of a run: what the seeds of separate runs leave
    methods = {label_of(variant): replace(variant, num_seeds=copies) for variant in variants}
    return {label: [replace(settings, seed=seed) for seed in config.seeds] for label, settings in methods.items()}


def compared(config: Config) -> list[Config]:
    """The settings for every method of ours, without those that it ignores; GRAO repaired and as printed."""
    variants = []
    for name, method in BUILT_IN.items():
        beta = None if method.kl_weight is None else config.beta
        ablate = config.ablate if "ablate" in method.reads else ()
        repaired = replace(config, compare=False, method=name, imitate_only_when_ahead=True, beta=beta, ablate=ablate)
        variants.append(repaired)
        if "imitate_only_when_ahead" in method.reads:
            variants.append(replace(repaired, imitate_only_when_ahead=False))
    return variants


def train_all(config: Config, console: Console, log: Log) -> Results:
    """Every planned run, with a line of progress, and a row in the log for every step."""
    runs = plan(config)
    total = sum(settings.max_steps for seeds in runs.values() for settings in seeds)
    curves: dict[str, Curve] = {}
    several = config.compare or config.num_seeds > 1
    last: Run | None = None
    with ProgressLine(console, total, several=several) as progress:
        for name, seeds in runs.items():
            scores: list[Tensor] = []
            steps: list[int] = []
            for settings in seeds:
                first, last = last is None, None  # the last run's model and moments make room for the next one's
                last = Run(name, settings, console, log, announce=first, several=several)
                last.train(progress)
                steps, values = last.steps, torch.stack(last.values)
                scores.append(values)
            curves[name] = Curve(steps, torch.cat(scores, dim=1))
    assert last is not None
    setup = last.setup
    if not several:
        save_model(setup, log.folder / "model", name, last)
    shown = f"{name}, seed {setup.config.seed}"
    return Results(curves, setup.evaluation.reference_score, shown, last.before, setup.evaluation.answers(), log.rows)


class Run:
    """One policy's training, from its start or from a checkpoint."""

    def __init__(
        self, name: str, config: Config, console: Console, log: Log, *, announce: bool, several: bool = False
    ) -> None:
        torch.manual_seed(config.seed)  # for whatever in an adapter or a head is drawn from torch's own generator
        self.name, self.config, self.console, self.log = name, config, console, log
        self.setup = prepare(config)
        if self.setup.small:
            torch.set_num_threads(1)
        self.alarm = Alarm()
        if announce:
            for note in (f"Method: {summary_of(config)}", *self.setup.notes):
                self.say(note)
        self.sources = sources_of(config, self.setup) if announce else {}  # one model's; several runs save none
        self.run = f"{name}, seed {config.seed}" if several else None  # its own curves beside the other runs'
        if config.resume_from_checkpoint is not None:
            self.require_sources(config.resume_from_checkpoint)
        self.tracker = self.open_tracker()
        self.before = self.setup.evaluation.answers()
        self.training = start(self.setup.policy, config, this_machine())
        self.steps: list[int] = []
        self.values: list[Tensor] = []
        if config.resume_from_checkpoint is None:
            row: Row = {"run": name, "seed": config.seed, "step": 0}
            self.evaluate(row)
            self.track(row)
        else:
            self.resume(config.resume_from_checkpoint)

    def require_sources(self, checkpoint: Path) -> None:
        """Warn of code that has changed since the checkpoint; raise `ValueError` on anything else that has."""
        then = read_state(checkpoint, self.config).get("sources", {})
        instead = f"put it back, or start a new run from the checkpoint's model (--model-name-or-path {checkpoint})"
        for warning in require_same(then, self.sources, since=f"{checkpoint.name} was written", instead=instead):
            self.say(warning, style="bold")

    def resume(self, checkpoint: Path) -> None:
        """Stand where the checkpoint stands."""
        load_checkpoint(checkpoint, self.training, self.config)
        for row in self.log.rows:
            if "eval_reward" in row:
                self.steps.append(row["step"])
                self.values.append(torch.tensor([row["eval_reward"]]))
                self.alarm.check(row["eval_reference/logp_per_token"], self.config)

    def train(self, progress: ProgressLine) -> None:
        """Every step to the last."""
        config = self.config
        progress.skip(self.training.step)
        for report in proceed(self.setup.task, self.training, config):
            self.log.open(self.sources)
            row: Row = {"run": self.name, "seed": config.seed, "step": report.step} | report.means()
            progress.step(self.run or "", report.step, config.max_steps, row)
            if report.step % config.eval_steps == 0 or report.step == config.max_steps:
                self.evaluate(row)
                self.show(report)
            else:
                self.log.write(row)
            self.track(row)
            if config.save_steps and (report.step % config.save_steps == 0 or report.step == config.max_steps):
                save_checkpoint(self.log.folder, self.training, config, self.setup.save, self.sources)
        self.log.open(self.sources)  # where the checkpoint had no step left
        if not self.values:
            self.evaluate({"run": self.name, "seed": config.seed, "step": self.training.step})
        if self.tracker is not None:
            self.log.trackers.remove(self.tracker)
            with blame(f"report_to {config.report_to}: closing the tracker raised"):
                self.tracker.close()

    def say(self, words: str, style: str | None = None) -> None:
        """A line for the terminal."""
        self.console.print(words, soft_wrap=True, highlight=False, markup=False, style=style)

    def open_tracker(self) -> Tracker | None:
        """The tracker, if there is one. It may write into the run's folder, which is made for it."""
        if self.config.report_to == "none":
            return None
        with blame(f"report_to {self.config.report_to}: opening the tracker raised"):
            tracker = tracker_of(self.config, self.log.output.make(), self.run)
            self.log.trackers.append(tracker)
            return tracker

    def track(self, row: Row) -> None:
        """Hand the metrics of a row to the tracker, if there is one."""
        if self.tracker is not None:
            with blame(f"report_to {self.config.report_to}: the tracker raised"):
                self.tracker.log({name: value for name, value in row.items() if isinstance(value, float)}, row["step"])

    def evaluate(self, row: Row) -> None:
        """Score the policy, and write the row with its score; warn if its references become ever less likely."""
        score, loglik = self.setup.evaluation.score(), self.setup.evaluation.reference_loglik()
        self.steps.append(row["step"])
        self.values.append(score)
        row["eval_reference/logp_per_token"] = loglik
        if not score.isnan().any():
            row["eval_reward"] = score.mean().item()
        self.log.write(row)
        warning = self.alarm.check(loglik, self.config)
        if warning is not None:
            self.say(warning, style="bold")

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
    scores = (run.values[0].mean().item(), setup.evaluation.reference_score, run.values[-1].mean().item())
    write_card(
        folder,
        setup.config,
        name=name,
        note=f"Method: {summary_of(setup.config)}",
        scores=scores,
        version=grao_ref.__version__,
    )
