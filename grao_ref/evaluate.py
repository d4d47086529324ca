"""Evaluate trained policies beside their base on held-out prompts: the paper's RAS and NAG with bootstrap intervals.

The data, the reward and the lengths are those of the first run. Reward, length, repetition and the distance from the
base stand side by side, because a reward can be satisfied without being deserved. Writes evaluation.md, with case
studies of the first prompts (not the best), and evaluation.json.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from rich.console import Console
from torch import Tensor

from grao_ref.assessment import Answers, Evaluated, assess
from grao_ref.cases import figures_table, markdown
from grao_ref.cli import fail, parse, quiet_libraries
from grao_ref.config import Config
from grao_ref.equations.checks import require_positive
from grao_ref.evaluation import EVALUATION_SEED, TextEvaluation
from grao_ref.experiment import Experiment, name_of, prepare
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.presets import PRESETS
from grao_ref.records import Samples, move, take

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
    console.print(figures_table(evaluated))
    (folder / "evaluation.md").write_text(markdown(evaluated, settings.num_cases))
    figures = {
        name: {figure: [n if n == n else None for n in measured] for figure, measured in each.items()}
        for name, each in evaluated.figures.items()
    }
    (folder / "evaluation.json").write_text(json.dumps(figures, indent=2, allow_nan=False))
    written = f"Case studies: {folder / 'evaluation.md'}\nFigures:      {folder / 'evaluation.json'}"
    console.print(written, soft_wrap=True, markup=False)
    return 0


def evaluate(settings: Settings) -> Evaluated:
    """Answer every prompt with the base and with each trained policy, and assess them.

    Raises `ValueError` on runs that can't be compared or whose model is missing.
    """
    configs = {run: config_of(run) for run in settings.runs}
    config = replace(
        configs[settings.runs[0]],
        reward_funcs=settings.reward_funcs or configs[settings.runs[0]].reward_funcs,
        reward_weights=() if settings.reward_funcs else configs[settings.runs[0]].reward_weights,
        max_eval_prompts=settings.max_eval_prompts or configs[settings.runs[0]].max_eval_prompts,
        use_peft=False,
        save_steps=0,
        resume_from_checkpoint=None,
    )
    for run, other in configs.items():
        for setting in COMMON if config.dataset_name == "sorting" or config.dataset_test_split else COMMON + SPLIT:
            if getattr(other, setting) != getattr(config, setting):
                raise ValueError(
                    f"the runs must have the same base and the same held-out prompts: {setting} is "
                    f"{getattr(config, setting)!r} in {settings.runs[0]} and {getattr(other, setting)!r} in {run}"
                )
    experiment = prepare(config)
    base, judged = experiment.policy, experiment.evaluation
    if not isinstance(base, CausalLMPolicy) or not isinstance(judged, TextEvaluation):
        raise ValueError("a bandit's policy is known exactly: there is nothing to sample")
    temperature = config.temperature if settings.temperature is None else settings.temperature
    before = answer(base, base, judged, temperature, settings)
    answers = {"base": before}
    if config.model_name_or_path == "tiny":
        base = base.frozen()  # its trained weights are loaded in its place; of other models no copy is needed
    for run, other in configs.items():
        trained = trained_policy(run, other, experiment)
        answers[_label(run, other, answers)] = answer(trained, base, judged, temperature, settings)
    reference = judged.reference_rewards()
    figures = {name: assess(now, before, reference, resamples=settings.resamples) for name, now in answers.items()}
    fixed = judged.fixed
    texts = [
        [judged.text(tokens.ids[n][tokens.mask[n]].tolist()) for n in range(len(fixed))]
        for tokens in (fixed.prompts, fixed.references)
    ]
    return Evaluated(texts[0], texts[1], reference, answers, figures, temperature)


def config_of(run: Path) -> Config:
    """The settings that a run was trained with. Raises `ValueError` where they are missing."""
    if not (run / "config.yaml").exists():
        raise ValueError(f"{run} is no run's folder: it has no config.yaml")
    config = parse(["--config", str(run / "config.yaml")], PRESETS, module="grao_ref.evaluate", description=None)
    if not (run / "model").exists():
        raise ValueError(f"{run} has no model: a run saves one at its end, if it is one method with one seed")
    return config


def trained_policy(run: Path, config: Config, experiment: Experiment) -> CausalLMPolicy:
    """What the run saved."""
    assert isinstance(experiment.policy, CausalLMPolicy)
    if config.model_name_or_path == "tiny":
        experiment.policy.load(run / "model")
        return experiment.policy
    from grao_ref.text_experiment import policy_of

    model, tokenizer = load_language_model(str(run / "model"), device=experiment.policy.device)
    return policy_of(model, tokenizer.eos_token_id, experiment.config)


@torch.no_grad()
def answer(
    policy: CausalLMPolicy, base: CausalLMPolicy, judged: TextEvaluation, temperature: float, settings: Settings
) -> Answers:
    """One answer to each held-out prompt, by the same dice for every policy, and what the base thinks of it."""
    rng = torch.Generator(policy.device).manual_seed(EVALUATION_SEED)
    parts, rewards, scores = [], [], []
    for first in range(0, len(judged.fixed), settings.per_device_eval_batch_size):
        part = take(replace(judged.fixed, rejected=None), slice(first, first + settings.per_device_eval_batch_size))
        prompts = move(part.prompts, policy.device)
        if temperature == 0:
            samples = policy.greedy(prompts)
        else:
            samples = policy.sample(prompts, 1, temperature=temperature, rng=rng)
            scores.append(base.logprobs(prompts, samples.ids, samples.mask, temperature=temperature).cpu())
        parts.append(move(samples, torch.device("cpu")))
        rewards.append(judged.reward(part, parts[-1])[:, 0])
    samples, base_logprobs = joined(parts), None
    if scores:
        base_logprobs = torch.cat([_widened(score, samples.ids.shape[-1]) for score in scores])
    texts = [judged.text(ids[0][mask[0]].tolist()) for ids, mask in zip(samples.ids, samples.mask, strict=True)]
    return Answers(samples, texts, torch.cat(rewards), base_logprobs)


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples of several batches as one."""
    width = max(part.ids.shape[-1] for part in parts)
    ids, mask, logprobs = (
        torch.cat([_widened(getattr(part, name), width) for part in parts]) for name in ("ids", "mask", "logprobs")
    )
    return Samples(ids, mask, logprobs)


def _label(run: Path, config: Config, taken: Iterable[str]) -> str:
    """Method and folder; the whole path where two runs' folders have the same name."""
    label = f"{name_of(config)} ({run.resolve().name})"
    return label if label not in taken else f"{name_of(config)} ({run})"


def _widened(values: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, width - values.shape[-1]))


if __name__ == "__main__":
    sys.exit(main())
