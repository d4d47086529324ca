"""A bandit: K answers with known rewards, one of which is the reference. Everything about it is computed exactly."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grao_ref.records import Batch, Scores, Tokens
from grao_ref.tasks.interface import references_as_answers


class Bandit:
    """N copies of one K-armed bandit, one for each row of a tabular policy.

    `rewards`: (K,), the reward of each answer. `reference`: the index of y. The worst answer is the rejected one
    (DPO).
    """

    independent_prompts = True
    reward_weights = {"bandit": 1.0}  # noqa: RUF012 never changed

    def __init__(self, rewards: Float[Tensor, "K"], reference: int, copies: int) -> None:
        if rewards.dim() != 1 or not rewards.isfinite().all():
            raise ValueError(f"rewards must be finite and of shape (K,), got {rewards}")
        if not 0 <= reference < len(rewards):
            raise ValueError(f"reference must be one of the {len(rewards)} answers, got {reference}")
        self.rewards, self.reference, self.copies = rewards, reference, copies

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """All N prompts, every step."""

        def each(ids: Tensor) -> Tokens:
            return Tokens(ids[:, None], torch.ones_like(ids, dtype=torch.bool)[:, None])

        def answer(index: int) -> Tokens:
            return each(torch.full((self.copies,), index))

        worst = int(self.rewards.argmin())
        return Batch(each(torch.arange(self.copies)), answer(self.reference), rejected=answer(worst))

    def reward(self, batch: Batch, ids: Int[Tensor, "N G 1"], mask: Bool[Tensor, "N G 1"]) -> Scores:
        """R(a) from the table of rewards."""
        return Scores.complete(self.rewards[ids])

    def reward_references(self, batch: Batch) -> Scores:
        """R(y, y) from the same table."""
        return references_as_answers(self, batch)

    def expected_reward(self, theta: Float[Tensor, "N K"]) -> Float[Tensor, "N"]:
        """V(θ) = Σ_a π(a) R(a), exactly."""
        return theta.detach().softmax(dim=-1) @ self.rewards
