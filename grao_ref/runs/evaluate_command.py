"""`python -m grao_ref.evaluate`, once its flags are read: answer, score, and write the report."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from grao_ref.evaluation.answers import answers_of
from grao_ref.evaluation.assess import Evaluated, assess
from grao_ref.evaluation.metrics import Comparison
from grao_ref.evaluation.monitor import TextEvaluation
from grao_ref.evaluation.tables import markdown, metrics_table
from grao_ref.methods.registry import label_of
from grao_ref.policies.build import language_policy
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.runs.folder import require_writable
from grao_ref.runs.sources import require_same_prompts
from grao_ref.settings.config import Config
from grao_ref.settings.evaluation import EvaluationSettings
from grao_ref.settings.flags import parse, quiet_libraries
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare

COMMON = ("model_name_or_path", "dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split")
SPLIT = ("test_size", "seed")  # what the held-out prompts of a data set without a test split depend on


def run(settings: EvaluationSettings) -> int:
    """Evaluate, print the table, and write evaluation.md and evaluation.json; the exit code."""
    quiet_libraries()
    if not settings.runs:
        raise ValueError("name at least one run's folder, such as runs/1")
    folder = settings.output_dir or settings.runs[0]
    require_writable(folder)
    console = Console()
    evaluated = evaluate(settings, console)
    folder.mkdir(parents=True, exist_ok=True)
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


def evaluate(settings: EvaluationSettings, console: Console) -> Evaluated:
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
    for run in settings.runs:
        for warning in require_same_prompts(run, config, setup):
            console.print(warning, soft_wrap=True, highlight=False, markup=False, style="bold")
    base, monitor = setup.policy, setup.evaluation
    if not isinstance(base, CausalLMPolicy) or not isinstance(monitor, TextEvaluation):
        raise ValueError("a bandit's policy is known exactly: there is nothing to sample")
    if not monitor.scored:
        raise ValueError(f"the {config.method} run had no reward: --reward-funcs must say what scores the answers")
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


def judging(settings: EvaluationSettings, first: Config) -> Config:
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
