"""Held-out prompts, how answers to them are sampled, and how they are scored: the same while training and after it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import Batch, Samples, Tokens, move, take
from grao_ref.settings.checks import SEEDS
from grao_ref.tasks.interface import Task, weighted

EVALUATION_SEED = SEEDS  # no run has it
CPU = torch.device("cpu")


@dataclass(frozen=True)
class HeldOut:
    """Prompts that nothing is trained on, the same for the whole run, with the task that scores answers to them."""

    task: Task
    batch: Batch  # on the CPU
    text: Callable[[list[int]], str]  # token ids -> text
    references: tuple[str, ...] | None = None  # their texts as the data set writes them; without, they are decoded

    def parts(self, size: int, *, rejected: bool = False) -> Iterator[Batch]:
        """`size` prompts at a time, in their order; with the rejected answers or without."""
        batch = self.batch if rejected else replace(self.batch, rejected=None)
        for first in range(0, len(batch), size):
            yield take(batch, slice(first, first + size))

    def sampled(
        self, policy: CausalLMPolicy, *, num_generations: int, temperature: float, size: int
    ) -> Iterator[tuple[Batch, Samples]]:
        """Answers of a policy, `size` prompts at a time, on the CPU, with the prompts that they answer.

        Every call uses the same random numbers, so policies are compared on equal terms. Temperature 0: greedy.
        """
        rng = torch.Generator(policy.device).manual_seed(EVALUATION_SEED)
        for part in self.parts(size):
            prompts = move(part.prompts, policy.device)
            if temperature == 0:
                samples = policy.greedy(prompts)
            else:
                samples = policy.sample(prompts, num_generations, temperature=temperature, rng=rng)
            yield part, move(samples, CPU)

    def rewards(self, part: Batch, answers: Samples) -> tuple[Float[Tensor, "N G"], Bool[Tensor, "N G"]]:
        """R(o, y) of answers to some of the prompts, and which of them could be scored."""
        return weighted(self.task.reward(part, answers.ids, answers.mask), self.task.reward_weights)

    def reference_rewards(self, size: int) -> tuple[Float[Tensor, "N"], Bool[Tensor, "N"]]:
        """R(y, y) of each prompt, and which of them could be scored; `size` prompts at a time."""
        weights = self.task.reward_weights
        found = [weighted(self.task.reward_references(part), weights) for part in self.parts(size)]
        rewards, scored = (torch.cat(pieces)[:, 0] for pieces in zip(*found, strict=True))
        return rewards, scored

    def texts(self) -> tuple[list[str], list[str]]:
        """The prompts and the references as text."""
        prompts = self._decoded(self.batch.prompts)
        return prompts, self._decoded(self.batch.references) if self.references is None else list(self.references)

    def _decoded(self, tokens: Tokens) -> list[str]:
        return [self.text(ids[mask].tolist()) for ids, mask in zip(tokens.ids, tokens.mask, strict=True)]
