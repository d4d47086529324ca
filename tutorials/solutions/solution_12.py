"""Our answers to the exercises of tutorial 12."""

import torch

from grao_ref import group_advantages
from theory.ledger import Check


def deviation_check(rewards: list[float]) -> Check:
    """The control is the deviation of the rewards themselves, which is 1 only by chance."""
    group = torch.tensor(rewards, dtype=torch.float64)
    advantages, _ = group_advantages(group, group.mean(), pool="outputs")
    off, off_rewards = (
        (each.std(correction=0) - 1).abs().item() for each in (advantages, group)
    )
    return Check(
        what="|σ_A − 1|",
        measured=off,
        test="<",
        limit=1e-9,
        control="|σ of the rewards − 1|",
        control_measured=off_rewards,
    )


def mean_improvement(grao: list[float], other: list[float]) -> float:
    """A mean of ratios: every column has the same weight, however large its numbers are."""
    ratios = [new / old for new, old in zip(grao, other, strict=True)]
    return 100 * (sum(ratios) / len(ratios) - 1)


def falling_bandit() -> tuple[list[float], list[float]]:
    """Groups of eight hold the worst answer more often than groups of two. So it is rarer here, and the others' gap smaller."""
    return [0.25, 0.745, 0.005], [1.0, 0.999, 0.0]
