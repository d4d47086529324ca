"""How good the policy is now, on prompts that stay the same for the whole run."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.evaluation.held_out import CPU, HeldOut
from grao_ref.evaluation.own_answers import OwnAnswers
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import move, take
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import LoggingTask

REWARD, LOGLIK = "eval_reward", "eval_reference/logp_per_token"  # in metrics.jsonl
Shown = list[tuple[str, str, float | None]]  # prompt, greedy answer, reward (None: not scored); of a few prompts


@runtime_checkable
class Evaluation(Protocol):
    """What is measured of a policy every `eval_steps` steps. R: the runs a policy holds, 1 but for the bandit's."""

    scored: bool
    """Whether answers are sampled and scored. A method that samples nothing may have no reward."""

    reference_score: float | None
    """Mean reward of the references; None where there is none."""

    def score(self) -> Float[Tensor, "R"]:
        """Mean reward of each run's policy as it is now; NaN where nothing could be scored."""

    def metrics(self, step: int) -> dict[str, Float[Tensor, "R"]]:
        """All that is measured, by its name in metrics.jsonl: the score, and what needs no sample.

        step: the optimiser steps that are done, for reward functions that ask.
        """

    def answers(self) -> Shown:
        """The likeliest answers to a few prompts."""


@dataclass
class BanditEvaluation:
    """Exact, by V(θ) = Σ_a π(a) R(a)."""

    task: Bandit
    policy: TabularPolicy
    scored: bool = field(init=False, default=True)
    reference_score: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.reference_score = self.task.rewards[self.task.reference].item()

    def score(self) -> Float[Tensor, "R"]:
        """V(θ) of each run."""
        return self.task.expected_reward(self.policy.theta)

    def metrics(self, step: int) -> dict[str, Float[Tensor, "R"]]:
        """The scores, and log π(y) of each run."""
        logprobs = self.policy.theta.detach().log_softmax(dim=-1)
        return {REWARD: self.score(), LOGLIK: logprobs[:, self.task.reference]}

    def answers(self) -> Shown:
        """None: a bandit's answers have no text."""
        return []


@dataclass
class TextEvaluation:
    """By the likelihood of the rows' own answers; with a reward, by sampling at the training temperature as well.

    Every evaluation samples with the same random numbers.
    """

    held_out: HeldOut
    policy: CausalLMPolicy
    config: Config
    scored: bool = field(init=False)
    reference_score: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.own = OwnAnswers(self.held_out.batch, self.policy, self.config)
        self.scored = bool(self.held_out.task.reward_weights)
        if self.scored:
            rewards, could = self.held_out.reference_rewards(self._size)
            self.reference_score = rewards[could].mean().item() if could.any() else None

    def score(self) -> Float[Tensor, "R"]:
        """Mean reward of the sampled answers that could be scored."""
        return self._sampled()[0]

    def metrics(self, step: int) -> dict[str, Float[Tensor, "R"]]:
        """The score, what reward functions log, and `OwnAnswers.metrics`.

        Raises `ValueError` where a reward function logs a metric under a name that the evaluation has itself.
        """
        task = self.held_out.task
        if isinstance(task, LoggingTask):
            task.at(step)
        own = {f"eval_{name}": torch.tensor([value]) for name, value in self.own.metrics().items()}
        if not self.scored:
            return own
        score, logged = self._sampled()
        measured = {REWARD: score} | own
        for name in logged.keys() & measured.keys():
            metric = name.removeprefix("eval_")
            raise ValueError(f"a reward function logs the metric {metric!r}, which an evaluation has itself; rename it")
        return measured | logged

    def answers(self) -> Shown:
        """Greedy answers to the first prompts."""
        few = replace(self.held_out, batch=take(self.held_out.batch, slice(0, self.config.num_completions_to_print)))
        greedy = move(self.policy.greedy(move(few.batch.prompts, self.policy.device)), CPU)
        prompts, _ = few.texts()
        texts = [few.text(ids[0][mask[0]].tolist()) for ids, mask in zip(greedy.ids, greedy.mask, strict=True)]
        if not self.scored:
            return [(prompt, text, None) for prompt, text in zip(prompts, texts, strict=True)]
        rewards, scored = few.rewards(few.batch, greedy)
        each = zip(rewards[:, 0].tolist(), scored[:, 0].tolist(), strict=True)
        return list(zip(prompts, texts, (reward if could else None for reward, could in each), strict=True))

    def _sampled(self) -> tuple[Float[Tensor, "R"], dict[str, Float[Tensor, "R"]]]:
        """The mean reward of the sampled answers, and the means of what reward functions logged of them."""
        found: list[Tensor] = []
        logged: dict[str, list[float]] = {}
        answered = self.held_out.sampled(
            self.policy,
            num_generations=self.config.num_generations_eval,
            temperature=self.config.temperature,
            size=self._size,
        )
        for part, answers in answered:
            rewards, scored = self.held_out.rewards(part, answers)
            found.append(rewards[scored])
            if isinstance(self.held_out.task, LoggingTask):
                for name, value in self.held_out.task.logged.metrics.items():
                    logged.setdefault(f"eval_{name}", []).append(value)
        return torch.cat(found).mean()[None], {
            name: torch.tensor(values).mean()[None] for name, values in logged.items()
        }

    @property
    def _size(self) -> int:
        return prompts_at_once(self.config)


def prompts_at_once(config: Config) -> int:
    """Prompts of an evaluation at once: by default 8 micro-batches of samples, since no gradients are stored."""
    answers = config.per_device_eval_batch_size or 8 * config.per_device_train_batch_size
    return max(answers // config.num_generations_eval, 1)


class Unevaluated:
    """Nothing is held out, and nothing is measured."""

    scored: bool = False
    reference_score: float | None = None

    def score(self) -> Float[Tensor, "R"]:
        """NaN: there is no prompt to answer."""
        return torch.tensor([torch.nan])

    def metrics(self, step: int) -> dict[str, Float[Tensor, "R"]]:
        """None."""
        return {}

    def answers(self) -> Shown:
        """None."""
        return []


def about_rewards(functions: Iterable[str], reference_score: float | None) -> str:
    """A line of the log: which functions score answers, and what they give the references; or that nothing does."""
    if not (names := ", ".join(functions)):
        return "Rewards: none. The held-out rows are evaluated by the likelihood of their own answers."
    if reference_score is None:
        return f"Rewards: {names}; there is no reference to score."
    return f"Rewards: {names}; the held-out references score {reference_score:.3f}."
