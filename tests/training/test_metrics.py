"""What is logged of a step."""

from dataclasses import replace

import pytest
import torch

from grao_ref.records import Scores
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.metrics import reward_metrics
from tests.training.bandits import REWARDS, collected


def test_reward_metrics_by_hand():
    batch, *_ = collected("grpo")
    outputs = torch.tensor([[1.0, 0.7, 0.0, 0.2, 0.7], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]).double()
    parts = Scores.complete(outputs[..., None])
    batch = replace(batch, rewards=replace(batch.rewards, outputs=outputs, parts=parts))
    metrics = reward_metrics(batch, Bandit(REWARDS, 1, 3))
    assert metrics["reward"].tolist() == pytest.approx([0.52, 1, 0])
    assert metrics["reward_std"].tolist() == pytest.approx([0.36551, 0, 0], abs=1e-4)
    assert metrics["frac_reward_zero_std"].tolist() == [0, 1, 1]
    assert metrics["reference/win_rate"].tolist() == pytest.approx([0.2, 1, 0])
