"""The package's own training loop. N independent rows of a tabular policy are N seeds at once.

This is the only file of the laboratory that imports the loop. A step of a few thousand rows takes little longer than
one of a hundred, so runs that differ in their learning rate alone are made together (`run_at`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch, Samples, Scores, Tokens, split, take
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.loop import Report, train

EIGHT = {"num_generations": 8, "max_steps": 100, "eval_steps": 1_000_000}


def settings(**changes: Any) -> Config:
    """The bandit's preset with the paper's G, β and λ, on SGD unless it is changed."""
    return replace(PRESETS["bandit"], **(EIGHT | changes))


class Rows(Bandit):
    """N bandits of K answers that differ from row to row. `rewards`: (N, K); `reference`: index of y; `noise`: (N,),
    the standard deviation of what is added to a reward each time that it is asked for.
    """

    def __init__(self, rewards: Tensor, reference: int, noise: Tensor | None = None) -> None:
        super().__init__(rewards[0], reference, len(rewards))
        self.table, self.noise, self.rng = rewards, noise, torch.Generator().manual_seed(0)
        self.going = torch.ones(len(rewards), dtype=torch.bool)  # the rows that are still trained

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """The prompts of the rows that are still trained."""
        every = super().draw(rng, step)
        if self.going.all() or every.rejected is None:
            return every
        parts = (every.prompts, every.references, every.rejected)
        prompts, references, rejected = (Tokens(each.ids[self.going], each.mask[self.going]) for each in parts)
        return Batch(prompts, references, rejected)

    def reward(self, batch: Batch, ids: Tensor, mask: Tensor) -> Scores:
        """R(q, a), looked up in each prompt's own row."""
        rewards = self.table[batch.prompts.ids[:, 0]].gather(-1, ids[..., 0])
        if self.noise is not None:
            drawn = torch.randn(rewards.shape, generator=self.rng, dtype=rewards.dtype)
            rewards = rewards + self.noise[batch.prompts.ids[:, 0]][:, None] * drawn
        return Scores.complete(rewards[..., None])

    def expected_reward(self, theta: Tensor) -> Tensor:
        """V(θ) of each row."""
        value: Tensor = (theta.detach().softmax(dim=-1) * self.table).sum(-1)
        return value


class AtRates(TabularPolicy):
    """A table of a block of N rows for each of R learning rates; `logits`: (R, N, K). The optimiser's own rate is the
    smallest, and a row's gradient is multiplied by its rate over this one: under plain gradient descent a block takes
    the steps of a run at its rate, to the last bit where the two differ by a power of two.
    """

    def __init__(self, logits: Tensor, rates: Sequence[float]) -> None:
        super().__init__(logits.flatten(0, 1))
        self.size = logits.shape[1]
        by_row = torch.tensor([rate / min(rates) for rate in rates], dtype=logits.dtype).repeat_interleave(self.size)
        self.theta.register_hook(lambda gradient: gradient * by_row[:, None])  # type: ignore[no-untyped-call]
        self.critic.register_hook(lambda gradient: gradient * by_row)  # type: ignore[no-untyped-call]

    def sample(self, prompts: Tokens, num_generations: int, *, rng: torch.Generator, **at: Any) -> Samples:
        """Every block from the same random numbers: those of a run at its rate."""
        before, parts = rng.get_state(), []
        for rows in split(len(prompts.ids), len(prompts.ids) // self.size):
            rng.set_state(before)
            parts.append(super().sample(take(prompts, rows), num_generations, rng=rng, **at))
        return Samples(*(torch.cat(each) for each in zip(*(vars(part).values() for part in parts), strict=True)))


@dataclass(frozen=True)
class Step:
    """After a step: the metrics of the loop's report, and the table it left."""

    step: int
    metrics: dict[str, Tensor]
    theta: Tensor  # (N, K)
    value: Tensor  # (N,)


def run(rewards: Tensor, reference: int, logits: Tensor, config: Config, noise: Tensor | None = None) -> Iterator[Step]:
    """Train N rows; rewards (K,) or (N, K), logits (N, K), noise of the rewards (N,). Yields the start as step 0, then
    every step.
    """
    table = rewards.expand(len(logits), -1) if rewards.dim() == 1 else rewards
    yield from _steps(Rows(table, reference, noise), TabularPolicy(logits), config)


def run_at(
    rates: Sequence[float], rewards: Tensor, reference: int, logits: Tensor, config: Config, going: Tensor | None = None
) -> Iterator[Step]:
    """`run` at each of R learning rates, whatever the config's is: (R N, K) and (R N,), a block of N rows for each.

    `logits`: (N, K) for all, or (R, N, K). `going`: (R,), True; a caller that has seen enough of a rate sets its entry
    to False, and its block stays as it is. Raises `ValueError` on Adam, which divides by the gradient's size and with
    it by the rate.
    """
    if config.optimizer != "sgd":
        raise ValueError(f"several learning rates at once are for plain steps, optimizer sgd, got {config.optimizer}")
    blocks = logits.expand(len(rates), -1, -1)
    task = Rows(rewards.expand(blocks.shape).flatten(0, 1), reference)
    policy = AtRates(blocks, rates)
    for step in _steps(task, policy, replace(config, learning_rate=min(rates))):
        yield step
        if going is not None:
            task.going = going.repeat_interleave(policy.size)


def run_adam_at(
    rates: Sequence[float], rewards: Tensor, reference: int, logits: Tensor, config: Config
) -> Iterator[Step]:
    """`run` under Adam at each of R learning rates: (R N, K) and (R N,), a block of N rows for each; logits (N, K).

    Adam's own step does not depend on its rate but by that factor. So after every step of rate 1 the way of each row is
    multiplied by its rate: Adam divides each entry by its own past, and rows have no effect on each other.
    """
    blocks = logits.expand(len(rates), -1, -1)
    task = Rows(rewards.expand(blocks.shape).flatten(0, 1), reference)
    policy = TabularPolicy(blocks.flatten(0, 1))
    by_row = torch.tensor(rates, dtype=logits.dtype).repeat_interleave(len(logits))[:, None]
    last = policy.theta.detach().clone()
    for before in _steps(task, policy, replace(config, optimizer="adam", learning_rate=1.0)):
        if before.step:
            with torch.no_grad():
                policy.theta.copy_(last + by_row * (policy.theta - last))
        last = policy.theta.detach().clone()
        yield replace(before, theta=last, value=task.expected_reward(last))


def _steps(task: Rows, policy: TabularPolicy, config: Config) -> Iterator[Step]:
    yield Step(0, {}, policy.theta.detach().clone(), task.expected_reward(policy.theta))
    report: Report
    for report in train(task, policy, config):
        yield Step(report.step, report.metrics, policy.theta.detach().clone(), task.expected_reward(policy.theta))


def start(rewards: Tensor, probabilities: list[float], rows: int) -> tuple[Tensor, Tensor]:
    """Rewards (K,) in float64 and logits (N, K) of a policy with these probabilities."""
    logits = torch.tensor(probabilities, dtype=torch.float64).log()
    return rewards.double(), logits.expand(rows, -1).clone()


def values(rewards: Tensor, reference: int, logits: Tensor, config: Config) -> Tensor:
    """V after each step, the start included: (S + 1, N)."""
    return torch.stack([step.value for step in run(rewards, reference, logits, config)])


def after(rewards: Tensor, reference: int, logits: Tensor, config: Config) -> Tensor:
    """The tables after the last step: (N, K)."""
    *_, last = run(rewards, reference, logits, config)
    return last.theta


def last_values(rates: Sequence[float], rewards: Tensor, reference: int, logits: Tensor, config: Config) -> Tensor:
    """V after the last step at each learning rate: (R, N)."""
    *_, last = run_at(rates, rewards, reference, logits, config)
    return last.value.view(len(rates), -1)
