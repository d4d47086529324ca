"""How good the policy is now, on prompts that stay the same for the whole run."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.evaluation.held_out import CPU, HeldOut
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import move, take
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit

Shown = list[tuple[str, str, float | None]]  # prompt, greedy answer, reward (None: not scored); of a few prompts


@runtime_checkable
class Evaluation(Protocol):
    """What is measured of a policy every `eval_steps` steps. R: the runs a policy holds, 1 but for the bandit's."""

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
        """None: a bandit's answers have no text."""
        return []


@dataclass
class TextEvaluation:
    """By sampling at the training temperature, with the same random numbers every time."""

    held_out: HeldOut
    policy: CausalLMPolicy
    config: Config

    def __post_init__(self) -> None:
        rewards, scored = self.held_out.reference_rewards(self._size)
        self.reference_score = rewards[scored].mean().item()

    def score(self) -> Float[Tensor, "R"]:
        """Mean reward of the sampled answers that could be scored."""
        config = self.config
        answered = self.held_out.sampled(
            self.policy,
            num_generations=config.num_generations_eval,
            temperature=config.temperature,
            size=self._size,
        )
        found = [self.held_out.rewards(part, answers) for part, answers in answered]
        return torch.cat([rewards[scored] for rewards, scored in found]).mean()[None]

    @torch.no_grad()
    def reference_loglik(self) -> float:
        """At temperature 1, whatever the sampler's is; no more at once than a micro-batch, for the logits' memory."""
        values = []
        for part in self.held_out.parts(self.config.per_device_train_batch_size):
            on_device = move(part, self.policy.device)
            ids, mask = on_device.references.ids[:, None], on_device.references.mask[:, None]
            logprobs = self.policy.logprobs(on_device.prompts, ids, mask, temperature=1.0)
            values.append(mean_log_likelihood(logprobs, mask)[:, 0])
        return torch.cat(values).mean().item()

    def answers(self) -> Shown:
        """Greedy answers to the first prompts."""
        few = replace(self.held_out, batch=take(self.held_out.batch, slice(0, self.config.num_completions_to_print)))
        greedy = move(self.policy.greedy(move(few.batch.prompts, self.policy.device)), CPU)
        rewards, scored = few.rewards(few.batch, greedy)
        prompts, _ = few.texts()
        texts = [few.text(ids[0][mask[0]].tolist()) for ids, mask in zip(greedy.ids, greedy.mask, strict=True)]
        each = zip(rewards[:, 0].tolist(), scored[:, 0].tolist(), strict=True)
        return list(zip(prompts, texts, (reward if could else None for reward, could in each), strict=True))

    @property
    def _size(self) -> int:
        """Prompts at once: by default 8 micro-batches of samples, since no gradients are stored."""
        return max(8 * self.config.per_device_train_batch_size // self.config.num_generations_eval, 1)
