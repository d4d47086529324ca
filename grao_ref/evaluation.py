"""How good the policy is now, on prompts that stay the same for the whole run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.config import Config
from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch, Samples, move, take
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task, weighted
from grao_ref.validate import SEEDS

EVALUATION_SEED = SEEDS  # no run has it
Shown = list[tuple[str, str, float]]  # prompt, greedy answer, reward; of a few prompts


@runtime_checkable
class Evaluation(Protocol):
    """What a run asks about its policy every `eval_steps` steps. R: the runs a policy holds, 1 but for the bandit's."""

    reference_score: float
    """Mean reward of the references."""

    def score(self) -> Float[Tensor, "R"]:
        """Mean reward of each run's policy as it is now; NaN where nothing could be scored."""

    def reference_loglik(self) -> float:
        """Mean log-likelihood of the references, in nats per token: the alarm of thm-4."""

    def answers(self) -> Shown:
        """The likeliest answers to a few prompts."""


@dataclass
class BanditEvaluation:
    """Exact, by V(θ) = Σ_a π(a) R(a)."""

    task: Bandit
    policy: TabularPolicy

    def __post_init__(self) -> None:
        self.reference_score = self.task.rewards[self.task.reference].item()

    def score(self) -> Float[Tensor, "R"]:
        """V(θ) of each run."""
        return self.task.expected_reward(self.policy.theta)

    def reference_loglik(self) -> float:
        """Mean over the runs of log π(y)."""
        return self.policy.theta.detach().log_softmax(dim=-1)[:, self.task.reference].mean().item()

    def answers(self) -> Shown:
        """None: an arm reads like nothing."""
        return []


@dataclass
class TextEvaluation:
    """By sampling at the training temperature: `samples` answers to each `fixed` prompt, the same dice every time."""

    task: Task
    policy: CausalLMPolicy
    config: Config
    fixed: Batch
    samples: int
    text: Callable[[list[int]], str]

    def __post_init__(self) -> None:
        self.reference_score = self.reference_rewards().nanmean().item()

    def reference_rewards(self) -> Float[Tensor, "N"]:
        """R(y, y) of each prompt."""
        return torch.cat([self.reward(part, _references(part))[:, 0] for part in self._parts()])

    def score(self) -> Float[Tensor, "R"]:
        """Mean reward of sampled answers."""
        rng = torch.Generator(self.policy.device).manual_seed(EVALUATION_SEED)
        rewards = []
        for part in self._parts():
            prompts = move(part.prompts, self.policy.device)
            answers = self.policy.sample(prompts, self.samples, temperature=self.config.temperature, rng=rng)
            rewards.append(self.reward(part, move(answers, torch.device("cpu"))))
        return torch.cat(rewards).nanmean()[None]

    @torch.no_grad()
    def reference_loglik(self) -> float:
        """At temperature 1, whatever the sampler's is."""
        values = []
        for part in self._parts(self.config.per_device_train_batch_size):  # whose logits are all in memory at once
            on_device = move(part, self.policy.device)
            ids, mask = on_device.references.ids[:, None], on_device.references.mask[:, None]
            logprobs = self.policy.logprobs(on_device.prompts, ids, mask, temperature=1.0)
            values.append(mean_log_likelihood(logprobs, mask)[:, 0])
        return torch.cat(values).mean().item()

    def answers(self) -> Shown:
        """Greedy ones."""
        few = take(self.fixed, slice(0, self.config.num_completions_to_print))
        answers = move(self.policy.greedy(move(few.prompts, self.policy.device)), torch.device("cpu"))
        rewards = self.reward(few, answers)
        return [
            (
                self.text(few.prompts.ids[n][few.prompts.mask[n]].tolist()),
                self.text(answers.ids[n, 0][answers.mask[n, 0]].tolist()),
                rewards[n, 0].item(),
            )
            for n in range(len(few))
        ]

    def reward(self, part: Batch, answers: Samples) -> Float[Tensor, "N G"]:
        """R(o, y) of answers to some of the prompts, on the CPU."""
        return weighted(self.task.reward(part, answers.ids, answers.mask), self.task.reward_weights)

    def _parts(self, size: int | None = None) -> Iterator[Batch]:
        """Eight micro-batches' worth of samples at a time, of which nothing is kept for a backward pass, or `size`."""
        size = size or max(8 * self.config.per_device_train_batch_size // self.samples, 1)
        for first in range(0, len(self.fixed), size):
            yield take(replace(self.fixed, rejected=None), slice(first, first + size))


def _references(batch: Batch) -> Samples:
    """The references as if they had been sampled."""
    ids, mask = batch.references.ids[:, None], batch.references.mask[:, None]
    return Samples(ids, mask, torch.zeros(ids.shape))
