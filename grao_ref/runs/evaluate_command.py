"""`python -m grao_ref.evaluate`, once its flags are read: answer, score, and write the report."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from grao_ref.data.load import own_rule
from grao_ref.data.rows import Row, columns_of
from grao_ref.evaluation.answers import answers_of
from grao_ref.evaluation.assess import Evaluated, assess
from grao_ref.evaluation.metrics import Comparison
from grao_ref.evaluation.tables import markdown, metrics_table
from grao_ref.plugins.blame import blame
from grao_ref.rewards.build import judge_of
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.runs.compared import candidate_of, labelled, rows_to_answer, shared
from grao_ref.runs.entrants import entrant, unlike
from grao_ref.runs.folder import require_writable
from grao_ref.runs.sources import require_same_prompts
from grao_ref.settings.config import Config
from grao_ref.settings.evaluation import EvaluationSettings
from grao_ref.settings.flags import quiet_libraries
from grao_ref.training.machine import choose_device, require_one_process

PROBED = 4  # references that the reward functions are tried on


def run(settings: EvaluationSettings) -> int:
    """Evaluate, print the table, and write evaluation.md and evaluation.json; the exit code."""
    quiet_libraries()
    require_one_process("evaluate works")
    if not settings.models:
        raise ValueError("name at least one run's folder, such as runs/1, or a model")
    first = Path(settings.models[0]).expanduser()
    is_run = (first / "config.yaml").is_file()
    folder = settings.output_dir or (first if is_run else Path("evaluation"))
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
    """Answer every prompt with the base and with each model, and assess them.

    Raises `ValueError` on models that can't be compared or loaded, on data and on rewards that can't be used.
    """
    candidates = [candidate_of(name) for name in settings.models]
    config = shared(settings, candidates)
    if config.setup != "text":
        raise ValueError("a bandit's policy is known exactly: there is nothing to sample")
    device = choose_device(config.device)
    trained = any(each.config is not None for each in candidates) and "dataset_name" not in settings.given
    with blame(f"dataset_name {config.dataset_name!r}: reading it raised", ours=True):
        rows = rows_to_answer(config, settings.given, trained=trained)
    if trained and settings.base is None:
        for each in candidates:
            if each.config is not None:
                _print(console, require_same_prompts(Path(each.name), config, rows))
    scorer = _scorer(config, device, rows)
    base = entrant(config.model_name_or_path, config, rows, scorer, device)
    size, temperature = settings.per_device_eval_batch_size, settings.temperature
    temperature = config.temperature if temperature is None else temperature
    before = answers_of(base.policy, base.policy, base.held_out, temperature=temperature, size=size)
    answers, notes = {"base": before}, []
    for each in candidates:
        other, label = entrant(each.model, config, rows, scorer, device, like=base), labelled(each, list(answers))
        why = unlike(other, base)
        missing = [*(["KL"] if temperature > 0 else []), *(["comparison of its pairs"] if before.pairs else [])]
        if why and missing:
            notes.append(f"{label} has no {' and no '.join(missing)}: {why}.")
        if other.lacks:
            notes.append(f"{label} is not measured on the pairs: {other.lacks}.")
        judge = None if why else base.policy
        found = answers_of(other.policy, judge, other.held_out, temperature=temperature, size=size)
        answers[label] = found if why else replace(found, base_pairs=before.pairs)
        del other  # it makes room for the next one
    _print(console, notes)
    references = base.held_out.reference_rewards(size)
    metrics = {
        name: assess(Comparison(now, before, *references), resamples=settings.resamples)
        for name, now in answers.items()
    }
    return Evaluated(*base.held_out.texts(), *references, answers, metrics, temperature, tuple(notes))


def _scorer(config: Config, device: torch.device, rows: list[Row]) -> Scorer:
    """The reward functions of the config, or the data set's own rule, tried on a few references."""
    own = own_rule(config.dataset_name)
    names = config.reward_funcs or ((own,) if own else ())
    if not names:
        raise ValueError(f"nothing says what scores an answer to {config.dataset_name}: --reward-funcs must")
    with blame(f"reward_funcs {', '.join(names)}: loading raised", ours=True):
        scorer = load_scorer(names, weights=config.reward_weights or None, device=device, judge=judge_of(config))
    few = rows[:PROBED]
    scorer.probe([row.prompt for row in few], [row.reference for row in few], columns_of(few))
    return scorer


def _print(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False, style="bold")
