"""`python -m grao_ref.train`: train, show the result, keep the figures.

For now the task is a bandit through the package's own equations and loop: ten answers, one of them perfect
(reward 1.0), one the reference (0.7), eight worthless, and a policy that starts out uniform.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from grao_ref.algorithms import ALGORITHMS
from grao_ref.config import Config
from grao_ref.loop import train
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.tasks.bandit import Bandit

REWARDS, REFERENCE = (1.0, 0.7, *[0.0] * 8), 1
Curves = dict[str, Tensor]  # method -> expected reward, (max_steps + 1, num_runs), the start included


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, run, print; the exit code."""
    console = Console()
    config = tyro.cli(Config, args=arguments, prog="python -m grao_ref.train", description=__doc__)
    curves = run(config, console)
    config.output_dir.mkdir(parents=True, exist_ok=True)
    draw(curves, config.output_dir / "curves.png")
    console.print(summary(curves))
    console.print(f"Figures: {config.output_dir / 'metrics.jsonl'}, picture: {config.output_dir / 'curves.png'}")
    return 0


def runs_of(config: Config) -> dict[str, Config]:
    """Name -> settings of each run that was asked for."""
    if not config.compare:
        return {config.method: config}
    runs = {name: replace(config, method=name) for name in ALGORITHMS}  # type: ignore[arg-type]
    runs["grao"] = replace(config, method="grao", imitate_only_when_ahead=True)
    return runs | {"grao, as printed": replace(config, method="grao", imitate_only_when_ahead=False)}


def run(config: Config, console: Console) -> Curves:
    """Train each policy, and write every step's mean figures to metrics.jsonl."""
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    task, curves, runs = Bandit(rewards, REFERENCE, config.num_runs), {}, runs_of(config)
    columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    config.output_dir.mkdir(parents=True, exist_ok=True)
    with Progress(*columns, console=console) as progress, (config.output_dir / "metrics.jsonl").open("w") as log:
        bars = {name: progress.add_task(name, total=settings.max_steps) for name, settings in runs.items()}
        for name, settings in runs.items():
            policy = TabularPolicy(torch.zeros(config.num_runs, len(REWARDS), dtype=torch.float64))
            curve = [task.expected_reward(policy.theta)]
            for report in train(task, policy, settings):
                curve.append(task.expected_reward(policy.theta))
                figures = report.means() | {"expected_reward": curve[-1].mean().item()}
                log.write(json.dumps({"run": name, "step": report.step} | figures) + "\n")
                progress.advance(bars[name])
            curves[name] = torch.stack(curve)
    return curves


def summary(curves: Curves) -> Table:
    """Expected reward before, on the way and after: mean ± 95 % interval over the runs."""
    steps = len(next(iter(curves.values()))) - 1
    shown = sorted({0, steps // 10, steps // 2, steps})
    table = Table(title=f"Expected reward (reference {REWARDS[REFERENCE]}, best {max(REWARDS)})")
    table.add_column("method", no_wrap=True)
    for step in shown:
        table.add_column("base" if step == 0 else f"step {step}", justify="right", no_wrap=True)
    for name, curve in curves.items():
        means, halves = curve.mean(dim=1), 1.96 * curve.std(dim=1, correction=1) / curve.shape[1] ** 0.5
        table.add_row(name, *(f"{means[step]:.3f} ± {halves[step]:.3f}" for step in shown))
    return table


def draw(curves: Curves, path: Path) -> None:
    """Expected reward by step: mean, and the middle 80 % of the runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito: colour-blind safe
    for (name, curve), colour in zip(curves.items(), colours, strict=False):
        low, high = curve.quantile(torch.tensor([0.1, 0.9], dtype=curve.dtype), dim=1)
        axes.plot(curve.mean(dim=1), label=name, color=colour)
        axes.fill_between(range(len(curve)), low, high, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(REWARDS[REFERENCE], color="grey", linestyle=":", label="reference")
    axes.set(xlabel="step (one group of samples each)", ylabel="expected reward", ylim=(0, 1.02))
    axes.set_title(f"Ten-armed bandit, mean and middle 80 % of {next(iter(curves.values())).shape[1]} runs")
    axes.legend(frameon=False, ncols=2, loc="lower right")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
