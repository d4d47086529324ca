"""The runs of one command: each trained, evaluated, logged, checkpointed and saved."""

from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

import grao_ref
from grao_ref.card import write_card
from grao_ref.checkpoint import load_checkpoint, save_checkpoint
from grao_ref.config import Config
from grao_ref.experiment import Experiment, objective_note, plan, prepare
from grao_ref.loop import Report, proceed, start
from grao_ref.report import Alarm, Log, Row, Tracker, tracker_of
from grao_ref.results import Curve, Results, completions_table


def train_all(config: Config, console: Console, log: Log) -> Results:
    """Every planned run, each with its progress bar, and a row in the log for every step."""
    columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    runs = plan(config)
    curves: dict[str, Curve] = {}
    last: Run | None = None
    with Progress(*columns, console=console) as progress:
        bars = {name: progress.add_task(name, total=sum(s.max_steps for s in runs[name])) for name in runs}
        for name, seeds in runs.items():
            scores: list[Tensor] = []
            steps: list[int] = []
            for settings in seeds:
                first, last = last is None, None  # the last run's model and moments make room for the next one's
                last = Run(name, settings, console, log, announce=first)
                last.train(lambda bar=bars[name]: progress.advance(bar))  # type: ignore[misc]
                steps, values = last.steps, torch.stack(last.values)
                scores.append(values)
            curves[name] = Curve(steps, torch.cat(scores, dim=1))
    assert last is not None
    experiment = last.experiment
    if not config.compare and config.num_seeds == 1:
        save_model(experiment, log.folder / "model", name, last)
    shown = f"{name}, seed {experiment.config.seed}"
    return Results(
        curves, experiment.evaluation.reference_score, shown, last.before, experiment.evaluation.answers(), log.rows
    )


class Run:
    """One policy's training, from its start or from a checkpoint."""

    def __init__(self, name: str, config: Config, console: Console, log: Log, *, announce: bool) -> None:
        torch.manual_seed(config.seed)  # for whatever in an adapter or a head is drawn from torch's own generator
        self.name, self.config, self.console, self.log = name, config, console, log
        self.experiment = prepare(config)
        self.alarm = Alarm()
        if announce:
            for note in (objective_note(config), *self.experiment.notes):
                console.print(note, soft_wrap=True, highlight=False, markup=False)
        evaluation = self.experiment.evaluation
        self.before = evaluation.answers()
        self.training = start(self.experiment.policy, config)
        self.tracker: Tracker | None = tracker_of(config, log.folder)
        self.steps: list[int] = []
        self.values: list[Tensor] = []
        if config.resume_from_checkpoint is None:
            row: Row = {"run": name, "seed": config.seed, "step": 0}
            self.evaluate(row)
            self.track(row)
        else:
            load_checkpoint(config.resume_from_checkpoint, self.training, config)
            for row in log.rows:
                if "eval_reward" in row:
                    self.steps.append(row["step"])
                    self.values.append(torch.tensor([row["eval_reward"]]))
                    self.alarm.hear(row["eval_reference/logp_per_token"], config)

    def train(self, advance: Callable[[], None]) -> None:
        """Every step to the last."""
        config = self.config
        for _ in range(self.training.step):
            advance()
        for report in proceed(self.experiment.task, self.training, config):
            row: Row = {"run": self.name, "seed": config.seed, "step": report.step} | report.means()
            if report.step % config.eval_steps == 0 or report.step == config.max_steps:
                self.evaluate(row)
                self.show(report)
            else:
                self.log.write(row)
            self.track(row)
            if config.save_steps and (report.step % config.save_steps == 0 or report.step == config.max_steps):
                save_checkpoint(self.log.folder, self.training, config, self.experiment.save)
            advance()
        if self.tracker is not None:
            self.tracker.close()

    def track(self, row: Row) -> None:
        """Hand the figures of a row to the tracker, if there is one."""
        if self.tracker is not None:
            self.tracker.log({name: value for name, value in row.items() if isinstance(value, float)}, row["step"])

    def evaluate(self, row: Row) -> None:
        """Score the policy, and write the row with its score; warn if its references sink."""
        score, loglik = self.experiment.evaluation.score(), self.experiment.evaluation.reference_loglik()
        self.steps.append(row["step"])
        self.values.append(score)
        row["eval_reference/logp_per_token"] = loglik
        if not score.isnan().any():
            row["eval_reward"] = score.mean().item()
        self.log.write(row)
        warning = self.alarm.hear(loglik, self.config)
        if warning is not None:
            self.console.print(warning, soft_wrap=True, highlight=False, style="bold")

    def show(self, report: Report) -> None:
        """Keep the samples of a step, and print some where that is asked for."""
        if self.experiment.policy.device.type == "cpu" and self.config.dataset_name == "bandit":
            return
        rows = self.log.completions(report, list(self.experiment.task.reward_weights), self.experiment.text)
        if rows and self.config.log_completions:
            self.console.print(completions_table(rows, self.config.num_completions_to_print))


def save_model(experiment: Experiment, folder: Path, name: str, run: Run) -> None:
    """The trained policy, its tokenizer and its card."""
    folder.mkdir(exist_ok=True)
    experiment.policy.save(folder)
    if experiment.save is not None:
        experiment.save(folder)
    scores = (run.values[0].mean().item(), experiment.evaluation.reference_score, run.values[-1].mean().item())
    write_card(
        folder,
        experiment.config,
        name=name,
        note=objective_note(experiment.config),
        scores=scores,
        version=grao_ref.__version__,
    )
