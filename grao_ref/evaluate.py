"""Evaluate trained policies beside their base on held-out prompts: the paper's RAS and NAG with bootstrap intervals.

The data, the reward and the lengths are those of the first run. Reward, length, repetition and the distance from the
base stand side by side, because a reward can rise while the answers get worse. Writes evaluation.md, with case
studies of the first prompts (not the best), and evaluation.json.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from rich.console import Console

from grao_ref.equations.checks import require_positive
from grao_ref.evaluation.answers import answers_of
from grao_ref.evaluation.assess import Evaluated, assess
from grao_ref.evaluation.metrics import Comparison
from grao_ref.evaluation.monitor import TextEvaluation
from grao_ref.evaluation.tables import markdown, metrics_table
from grao_ref.methods.registry import label_of
from grao_ref.plugins.blame import one_line_errors
from grao_ref.policies.build import language_policy
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.settings.config import Config
from grao_ref.settings.flags import fail, parse, quiet_libraries
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare

COMMON = ("model_name_or_path", "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split")
SPLIT = ("test_size", "seed")  # what the held-out prompts of a data set without a test split depend on


@dataclass(frozen=True)
class Settings:
    """What is evaluated."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs (`python -m grao_ref.train` names them), on the same data and base."""
    reward_funcs: tuple[str, ...] = ()
    """Judge by other rewards than the first run was trained on."""
    max_eval_prompts: int | None = None
    """Held-out prompts at most; by default as many as the run was evaluated on."""
    temperature: float | None = None
    """Of sampling; by default that of training. 0: greedy, which has no KL."""
    per_device_eval_batch_size: int = 32
    """Answers at once."""
    num_cases: int = 3
    """Case studies."""
    resamples: int = 2000
    """Bootstrap resamples."""
    output_dir: Path | None = None
    """Where evaluation.md and evaluation.json go; by default the first run's folder."""


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, answer, score, print; the exit code."""
    settings = tyro.cli(Settings, args=arguments, prog="python -m grao_ref.evaluate", description=__doc__)
    quiet_libraries()
    try:
        if not settings.runs:
            raise ValueError("name at least one run's folder, such as runs/1")
        require_positive(per_device_eval_batch_size=settings.per_device_eval_batch_size, resamples=settings.resamples)
        folder = settings.output_dir or settings.runs[0]
        if settings.output_dir is not None:  # made before the work; a run's folder is there, or is none
            folder.mkdir(parents=True, exist_ok=True)
        evaluated = evaluate(settings)
    except (ValueError, OSError) as error:
        fail(error)
    console = Console()
    console.print(metrics_table(evaluated))
    (folder / "evaluation.md").write_text(markdown(evaluated, settings.num_cases))
    metrics = {
        policy: {name: [n if n == n else None for n in measured] for name, measured in each.items()}
        for policy, each in evaluated.metrics.items()
    }
    (folder / "evaluation.json").write_text(json.dumps(metrics, indent=2, allow_nan=False))
    written = f"Case studies: {folder / 'evaluation.md'}\nMetrics:      {folder / 'evaluation.json'}"
    console.print(written, soft_wrap=True, markup=False)
    return 0


def evaluate(settings: Settings) -> Evaluated:
    """Answer every prompt with the base and with each trained policy, and assess them.

    Raises `ValueError` on runs that can't be compared or whose model is missing.
    """
    configs = {run: config_of(run) for run in settings.runs}
    config = judging(settings, configs[settings.runs[0]])
    for run, other in configs.items():
        for setting in COMMON if config.dataset_test_split else COMMON + SPLIT:
            if getattr(other, setting) != getattr(config, setting):
                raise ValueError(
                    f"the runs must have the same base and the same held-out prompts: {setting} is "
                    f"{getattr(config, setting)!r} in {settings.runs[0]} and {getattr(other, setting)!r} in {run}"
                )
    setup = prepare(config)
    base, monitor = setup.policy, setup.evaluation
    if not isinstance(base, CausalLMPolicy) or not isinstance(monitor, TextEvaluation):
        raise ValueError("a bandit's policy is known exactly: there is nothing to sample")
    held_out, size = monitor.held_out, settings.per_device_eval_batch_size
    temperature = config.temperature if settings.temperature is None else settings.temperature
    before = answers_of(base, base, held_out, temperature=temperature, size=size)
    answers = {"base": before}
    for run, other in configs.items():
        trained, _ = language_policy(replace(config, model_name_or_path=str(run / "model")), base.device)
        answers[_label(run, other, answers)] = answers_of(trained, base, held_out, temperature=temperature, size=size)
    references = held_out.reference_rewards(size)
    metrics = {
        name: assess(Comparison(now, before, *references), resamples=settings.resamples)
        for name, now in answers.items()
    }
    return Evaluated(*held_out.texts(), *references, answers, metrics, temperature)


def judging(settings: Settings, first: Config) -> Config:
    """The first run's settings, as far as they are about data, base and reward, with what the flags change."""
    return replace(
        first,
        reward_funcs=settings.reward_funcs or first.reward_funcs,
        reward_weights=() if settings.reward_funcs else first.reward_weights,
        max_eval_prompts=settings.max_eval_prompts or first.max_eval_prompts,
        use_peft=False,
        save_steps=0,
        resume_from_checkpoint=None,
    )


def config_of(run: Path) -> Config:
    """The settings that a run was trained with. Raises `ValueError` where they are missing."""
    if not (run / "config.yaml").exists():
        raise ValueError(f"{run} is no run's folder: it has no config.yaml")
    config = parse(["--config", str(run / "config.yaml")], PRESETS, module="grao_ref.evaluate", description=None)
    if not (run / "model").exists():
        raise ValueError(f"{run} has no model: a run saves one at its end, if it is one method with one seed")
    return config


def _label(run: Path, config: Config, taken: Iterable[str]) -> str:
    """Method and folder; the whole path where two runs' folders have the same name."""
    label = f"{label_of(config)} ({run.resolve().name})"
    return label if label not in taken else f"{label_of(config)} ({run})"


if __name__ == "__main__":
    sys.exit(main())
