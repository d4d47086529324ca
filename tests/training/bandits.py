"""A bandit's batch for tests of collecting and updating: two tables, one of which sampled."""

from dataclasses import replace

import torch

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from tests.strategies import noise

REWARDS = torch.tensor([1.0, 0.7, 0.0, 0.2], dtype=torch.float64)
HOT = replace(PRESETS["bandit"], num_generations=5, temperature=0.7, temper_likelihoods=True, beta=0.4, num_seeds=3)


def collected(method: str, config: Config = HOT, reference: int = 1) -> tuple[Batch, TabularPolicy, TabularPolicy]:
    """A batch of a bandit, the policy that sampled it, and another one, the reference model."""
    policy, frozen = TabularPolicy(noise((3, 4), 0)), TabularPolicy(noise((3, 4), 1))
    policy.critic.data += torch.tensor([0.1, -0.2, 0.5])
    rng = torch.Generator().manual_seed(0)
    task = Bandit(REWARDS, reference, 3)
    return collect(task.draw(rng), task, policy, frozen, replace(config, method=method), rng), policy, frozen
