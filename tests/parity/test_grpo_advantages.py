"""Advantages, from TRL's real generation and scoring: they differ from eq-4's, by exactly what our docs state.

TRL divides by Bessel's deviation + 1e-4, we by the population deviation and nothing else. Its rewards and
advantages are float32, hence the tolerance; every reward but one is a binary fraction, which float32 holds.
"""

import pytest
import torch

from grao_ref.equations.grpo import grpo_advantages
from tests.parity.grpo_pair import make_trainer
from tests.parity.tiny import FOREIGN_WARNINGS

pytestmark = FOREIGN_WARNINGS

GROUPS = torch.tensor(
    [
        [0.0, 1.0, 0.25, 0.5, 0.75, 0.0, 1.0, 0.125],
        [-3.0, 2.0, 2.0, 2.0, 0.5, -1.0, 4.0, 8.0],
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.5] * 8,
        [0.95] * 8,
    ],
    dtype=torch.float64,
)
FLAT = [3, 4]
FLOAT32 = {"rtol": 1e-6, "atol": 1e-7}


def generate_and_score(checkpoint, tmp_path, **arguments):
    """Five prompts, answered eight times each by the tiny model: rewards and advantages in TRL, and the lengths."""

    def reward(completions, **_):
        assert len(completions) == GROUPS.numel()
        return GROUPS.flatten().tolist()

    trainer = make_trainer(checkpoint, tmp_path, reward=reward, batch=GROUPS.numel(), num_generations=8, **arguments)
    collected = []
    calculate = trainer._calculate_rewards
    trainer._calculate_rewards = lambda *args: collected.append(calculate(*args)) or collected[-1]
    prompts = ["a b c", "d e", "f", "g h", "a a"]
    outputs = trainer._generate_and_score_completions([{"prompt": prompt} for prompt in prompts for _ in range(8)])
    rewards, advantages = (x.double().view(GROUPS.shape) for x in (collected[0], outputs["advantages"]))
    return rewards, advantages, outputs["completion_mask"].sum(dim=1)


def test_completions_were_really_generated(checkpoint, tmp_path):
    _, _, lengths = generate_and_score(checkpoint, tmp_path)
    assert len(lengths.unique()) > 2


def test_difference_in_the_deviation(checkpoint, tmp_path):
    rewards, theirs, _ = generate_and_score(checkpoint, tmp_path)
    torch.testing.assert_close(rewards, GROUPS.float().double(), rtol=0, atol=0)
    ours = grpo_advantages(rewards)
    bessel, population = (rewards.std(dim=-1, correction=n, keepdim=True) for n in (1, 0))
    torch.testing.assert_close(theirs * (bessel + 1e-4), ours * population, **FLOAT32)

    # Control: neither the 1e-4 nor Bessel's correction can be left out, and the advantages themselves differ.
    for wrong in (theirs * bessel, theirs * (population + 1e-4)):
        assert not torch.allclose(wrong, ours * population, **FLOAT32)
    varied = [i for i in range(len(GROUPS)) if i not in FLAT]
    assert ((theirs - ours).abs()[varied].amax(dim=-1) > 0.05).all()


def test_flat_groups(checkpoint, tmp_path):
    """0 in both. TRL's mean of eight 0.95s may round away from 0.95, and 1e-4 blows that up; ours is exactly 0."""
    rewards, theirs, _ = generate_and_score(checkpoint, tmp_path)
    ours = grpo_advantages(rewards)
    torch.testing.assert_close(ours[FLAT], torch.zeros(2, 8, dtype=torch.float64), rtol=0, atol=0)
    torch.testing.assert_close(theirs[FLAT[0]], torch.zeros(8, dtype=torch.float64), rtol=0, atol=0)
    assert theirs[FLAT[1]].abs().max() <= torch.finfo(torch.float32).eps / 1e-4
    assert (ours[:3].abs().amax(dim=-1) > 1).all()  # the other groups are not flat


@pytest.mark.parametrize("scale_rewards", ["none", "batch"])
def test_other_scales(checkpoint, tmp_path, scale_rewards):
    """Without scaling (Dr. GRPO) TRL keeps the numerator of ours; by "batch" it divides all groups by one number."""
    rewards, theirs, _ = generate_and_score(checkpoint, tmp_path, scale_rewards=scale_rewards)
    numerator = grpo_advantages(rewards) * rewards.std(dim=-1, correction=0, keepdim=True)
    scale = 1 if scale_rewards == "none" else rewards.std() + 1e-4
    torch.testing.assert_close(theirs * scale, numerator, **FLOAT32)
    assert not torch.allclose(theirs, grpo_advantages(rewards), rtol=0.05)
