"""What `train.py` runs: a task with its policy, trained by one method or several, scored along the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from grao_ref.config import SEEDS, Config, Method
from grao_ref.loop import Report, train
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.interface import Policy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.policies.tiny import tiny_model
from grao_ref.records import Batch
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task
from grao_ref.tasks.sorting import ANSWER, END, Sorting, text

BANDIT_REWARDS, BANDIT_REFERENCE = (1.0, 0.7, *[0.0] * 8), 1
EVALUATION_PROMPTS, EVALUATION_SEED = 200, SEEDS


Shown = list[tuple[str, str, float]]  # prompt, greedy answer, reward; of a few prompts


@dataclass(frozen=True)
class Experiment:
    """One run about to start. `score` is the policy's mean reward now, for each of the runs it holds: (R,)."""

    task: Task
    policy: Policy
    config: Config
    score: Callable[[], Tensor]
    show: Callable[[], Shown]
    reference_score: float


@dataclass(frozen=True)
class Progress:
    """A report, and the score where this step is one of those that are evaluated."""

    report: Report
    score: Tensor | None


def plan(config: Config) -> dict[str, list[Config]]:
    """Name -> the settings of its runs, one for each seed (the bandit's are one, with a row for each seed)."""
    seeds = [config.seed] if config.task == "bandit" else range(config.seed, config.seed + config.num_seeds)
    variants = [config]
    if config.compare:
        each: tuple[Method, ...] = get_args(Method)
        variants = [replace(config, method=method, imitate_only_when_ahead=True) for method in each]
        variants.append(replace(config, method="grao", imitate_only_when_ahead=False))
    methods = {name_of(variant): variant for variant in variants}
    return {name: [replace(settings, seed=seed) for seed in seeds] for name, settings in methods.items()}


def name_of(config: Config) -> str:
    """The method, and for GRAO which of its two objectives: neither passes for the other."""
    if config.method != "grao":
        return config.method
    return "grao, repaired" if config.imitate_only_when_ahead else "grao, as printed"


def prepare(config: Config) -> Experiment:
    """The task that the config names, and a policy before training."""
    return _bandit(config) if config.task == "bandit" else _sorting(config)


def run(experiment: Experiment) -> Iterator[Progress]:
    """Train, and score the policy every `eval_steps` steps and at the last."""
    config = experiment.config
    for report in train(experiment.task, experiment.policy, config):
        due = report.step % config.eval_steps == 0 or report.step == config.max_steps
        yield Progress(report, experiment.score() if due else None)


def _bandit(config: Config) -> Experiment:
    task = Bandit(torch.tensor(BANDIT_REWARDS, dtype=torch.float64), BANDIT_REFERENCE, config.num_seeds)
    policy = TabularPolicy(torch.zeros(config.num_seeds, len(BANDIT_REWARDS), dtype=torch.float64))
    return Experiment(
        task, policy, config, lambda: task.expected_reward(policy.theta), list, BANDIT_REWARDS[BANDIT_REFERENCE]
    )


def _sorting(config: Config) -> Experiment:
    """Scored on 200 fixed prompts, of 30,240 there are: a run's own prompts include about a tenth of them."""
    task = Sorting(config.per_device_train_batch_size)
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER + 2)
    fixed = Sorting(EVALUATION_PROMPTS).draw(torch.Generator().manual_seed(EVALUATION_SEED))
    references = fixed.references.ids[:, None], fixed.references.mask[:, None]

    def score() -> Tensor:
        rng = torch.Generator().manual_seed(EVALUATION_SEED)
        samples = policy.sample(fixed.prompts, 4, temperature=config.temperature, rng=rng)
        return task.reward(fixed, samples.ids, samples.mask).mean()[None]

    return Experiment(
        task,
        policy,
        config,
        score,
        lambda: _answers(task, policy, fixed),
        task.reward(fixed, *references).mean().item(),
    )


def _answers(task: Sorting, policy: CausalLMPolicy, fixed: Batch, count: int = 3) -> Shown:
    answers, prompts = policy.greedy(fixed.prompts), fixed.prompts
    rewards = task.reward(fixed, answers.ids, answers.mask)
    return [
        (text(prompts.ids[n], prompts.mask[n]), text(answers.ids[n, 0], answers.mask[n, 0]), rewards[n, 0].item())
        for n in range(count)
    ]
